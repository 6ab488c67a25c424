"""Each network's logits, loss and gradients from PyTorch in float64, with torchvision's own networks where it has them.

    python tests/oracle/torch_models.py [NAME ...]       writes values/models.safetensors

Weights and images are not recorded: both sides draw them from the generator of torch_values.py, keyed by the CRC-32 of
the parameter's name. NAME.asked is the output in inference, from such running statistics. In training Dropout is off. Of every parameter's gradient five numbers are kept: its norm, and its products
with four vectors of such numbers, which measure the norm of an error. Tensors are NAME.logits, NAME.loss and
NAME.gradients (parameters, 5), in the order of the names in the metadata under NAME. The images are SIZES[NAME].
"""

import os
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH, CLASSES = 4, 10


def torchvision_models():
    """torchvision.models; its compiled operators, which no network here needs, may be missing."""
    try:
        import torchvision
    except (RuntimeError, ImportError):
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        torch.library.Library("torchvision", "DEF").define("nms(Tensor a, Tensor b, float c) -> Tensor")
        torch.library.register_fake = lambda *_, **__: lambda function: function
        import torchvision
    return torchvision.models


def numbers(count, key):
    """numbers() of torch_values.py, by doubling: if s' = a^n s + c_n, then s'' = a^2n s + (a^n + 1) c_n."""
    states = np.empty(count, dtype=np.uint32)
    one = lambda s: (1664525 * s + 1013904223) % 2**32
    states[0] = one((key * 2654435761 + 1) % 2**32)
    done, a, c = 1, 1664525, 1013904223  # a, c: `done` steps at once
    while done < count:
        more = min(done, count - done)
        states[done:done + more] = states[:more] * np.uint32(a) + np.uint32(c)
        a, c = a * a % 2**32, (a * c + c) % 2**32
        done += more
    return (states >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def drawn(name, shape):
    """A parameter: about as a fresh network has it, so that all layers matter."""
    values = numbers(int(np.prod(shape)), zlib.crc32(name.encode())).reshape(shape)
    if len(shape) > 1:
        return values * np.float32(np.sqrt(6 / np.prod(shape[1:])))
    return 1 + values / 4 if name.endswith(("weight", "var")) else values / 4


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class ResNetCifar(nn.Module):
    def __init__(self, block, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        channels = 16
        for number, out in enumerate((16, 32, 64), 1):
            layers = []
            for i in range(blocks):
                stride = 2 if i == 0 and number > 1 else 1
                down = None
                if stride != 1:
                    down = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
                layers.append(block(channels, out, stride, down))
                channels = out
            setattr(self, f"layer{number}", nn.Sequential(*layers))
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def conv_norm(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                         nn.BatchNorm2d(outputs), nn.ReLU())


class MobileNetV1(nn.Module):
    def __init__(self):
        super().__init__()
        layers, channels = [conv_norm(3, 32, 3, 2)], 32
        for out, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
                            (1024, 1)):
            layers += [conv_norm(channels, channels, 3, stride, channels), conv_norm(channels, out, 1)]
            channels = out
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(1024, CLASSES)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


class Chain(nn.Module):
    """Layers by name, one after the other."""

    def __init__(self, *layers):
        super().__init__()
        self.order = []
        for name, layer in layers:
            if isinstance(layer, nn.Module) and list(layer.parameters()):
                setattr(self, name, layer)
                self.order.append(getattr(self, name))
            else:
                self.order.append(layer)

    def forward(self, x):
        for layer in self.order:
            x = layer(x)
        return x


def norm(x):
    return F.local_response_norm(x, 5, 5e-4, 0.75, 2.0)


def pool(ceil=False):
    return lambda x: F.max_pool2d(x, 3, 2, ceil_mode=ceil)


def classifier(inputs, width):
    return [("", lambda x: x.flatten(1)), ("fc6", nn.Linear(inputs, width)), ("", F.relu),
            ("fc7", nn.Linear(width, width)), ("", F.relu), ("fc8", nn.Linear(width, CLASSES))]


def alexnet_original(size):
    side = (((size - 11) // 4 + 1 - 3) // 2 + 1 - 3) // 2 + 1
    side = (side - 3) // 2 + 1
    return Chain(("conv1", nn.Conv2d(3, 96, 11, 4)), ("", F.relu), ("", norm), ("", pool()),
                 ("conv2", nn.Conv2d(96, 256, 5, padding=2, groups=2)), ("", F.relu), ("", norm), ("", pool()),
                 ("conv3", nn.Conv2d(256, 384, 3, padding=1)), ("", F.relu),
                 ("conv4", nn.Conv2d(384, 384, 3, padding=1, groups=2)), ("", F.relu),
                 ("conv5", nn.Conv2d(384, 256, 3, padding=1, groups=2)), ("", F.relu), ("", pool()),
                 *classifier(256 * side * side, 4096))


def zfnet(first, second, side, width):
    return Chain(("conv1", first), ("", F.relu), ("", pool(True)), ("", norm), ("conv2", second), ("", F.relu),
                 ("", pool(True)), ("", norm), ("conv3", nn.Conv2d(256, 384, 3, padding=1)), ("", F.relu),
                 ("conv4", nn.Conv2d(384, 384, 3, padding=1)), ("", F.relu),
                 ("conv5", nn.Conv2d(384, 256, 3, padding=1)), ("", F.relu), ("", pool()),
                 *classifier(256 * side * side, width))


class Small(nn.Module):
    """`features` of a larger network, and what classifies."""

    def __init__(self, features, classify):
        super().__init__()
        self.features, self.classifier = features, classify

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def alexnet_small():
    k3 = dict(kernel_size=3, padding=1)
    features = nn.Sequential(nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
                             nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, **k3),
                             nn.ReLU(), nn.Conv2d(384, 256, **k3), nn.ReLU(), nn.Conv2d(256, 256, **k3), nn.ReLU(),
                             nn.MaxPool2d(3, 2))
    classify = nn.Sequential(nn.Dropout(), nn.Linear(2304, 1024), nn.ReLU(), nn.Dropout(), nn.Linear(1024, 1024),
                             nn.ReLU(), nn.Linear(1024, CLASSES))
    return Small(features, classify)


def lenet5(activation, pooling, channels=1):
    return Chain(("conv1", nn.Conv2d(channels, 6, 5)), ("", activation), ("", pooling), ("conv2", nn.Conv2d(6, 16, 5)),
                 ("", activation), ("", pooling), ("", lambda x: x.flatten(1)), ("fc1", nn.Linear(400, 120)),
                 ("", activation), ("fc2", nn.Linear(120, 84)), ("", activation), ("fc3", nn.Linear(84, CLASSES)))


def networks():
    """{name: (image, network)}"""
    vision = torchvision_models()
    half = lambda f: lambda x: f(x, 2)
    out = {
        "lenet5": ((1, 32, 32), lambda: lenet5(F.relu, half(F.max_pool2d))),
        "lenet5-article": ((1, 32, 32), lambda: lenet5(lambda x: 1.7159 * torch.tanh(x), half(F.avg_pool2d))),
        "resnet20": ((3, 32, 32), lambda: ResNetCifar(vision.resnet.BasicBlock, 3)),
        "resnet56": ((3, 32, 32), lambda: ResNetCifar(vision.resnet.BasicBlock, 9)),
        "alexnet-small": ((3, 32, 32), alexnet_small),
        "zfnet-small": ((3, 32, 32), lambda: zfnet(nn.Conv2d(3, 96, 5, padding=2), nn.Conv2d(96, 256, 3, padding=1), 3,
                                                   1024)),
        "vgg11_bn-small": ((3, 32, 32), lambda: Small(vision.vgg11_bn().features, nn.Linear(512, CLASSES))),
        "alexnet-original": ((3, 99, 99), lambda: alexnet_original(99)),
        "zfnet": ((3, 96, 96), lambda: zfnet(nn.Conv2d(3, 96, 7, 2, 1), nn.Conv2d(96, 256, 5, 2), 2, 4096)),
        "mobilenet_v1": ((3, 64, 64), MobileNetV1),
    }
    for name in ("alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn",
                 "resnet18", "resnet34", "resnet50", "squeezenet1_0", "squeezenet1_1", "mobilenet_v2"):
        out[name] = ((3, 64, 64), lambda name=name: getattr(vision, name)(num_classes=CLASSES))
    return out


def record(name, image, net):
    net = net.double()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    parameters = dict(net.named_parameters())
    statistics = {key: value for key, value in net.named_buffers() if "running" in key}
    with torch.no_grad():
        for key, parameter in (parameters | statistics).items():
            parameter.copy_(torch.from_numpy(drawn(key, tuple(parameter.shape)).astype(np.float32).astype(np.float64)))
    x = torch.from_numpy(numbers(BATCH * int(np.prod(image)), zlib.crc32(name.encode()))).reshape(BATCH, *image)
    net.eval()
    with torch.no_grad():
        asked = net(x)
    net.train()
    logits = net(x)
    loss = F.cross_entropy(logits, torch.arange(BATCH) % CLASSES)
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    kept = []
    for key, gradient in zip(parameters, gradients):
        flat = gradient.numpy().reshape(-1)
        seed = zlib.crc32(key.encode())
        kept.append([np.linalg.norm(flat), *(flat @ numbers(flat.size, seed + k) for k in range(1, 5))])
    tensors = {f"{name}.asked": asked.numpy(), f"{name}.logits": logits.detach().numpy(), f"{name}.loss": loss.detach().reshape(1).numpy(),
               f"{name}.gradients": np.array(kept), f"{name}.image": np.array(image, dtype=np.int64)}
    return tensors, ",".join(parameters)


def main():
    tensors, names = {}, {}
    for name, (image, make) in networks().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        torch.manual_seed(0)
        some, names[name] = record(name, image, make())
        print(name, some[f"{name}.loss"][0], flush=True)
        tensors.update(some)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, os.path.join(HERE, "values", "models.safetensors"),
              metadata=names)


if __name__ == "__main__":
    main()
