"""What PyTorch computes of what a network learned, written from the papers: saliency, guided backprop, DeconvNet, Grad-CAM.

    python tests/oracle/explain.py        writes values/explain.safetensors

Nets of convolution, ReLU, max pooling, twice, and a linear layer, in float64; weights and inputs come from numbers()
of torch_values.py and are not recorded. A row of "explain.cases" holds the sizes of CASE; case k's results are
"explain.<k>.<name>". "zfnet.<name>" is the DeconvNet of zfnet-small, with the weights of torch_models.py.
"""

import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn

import torch_models
from torch_values import HERE, numbers

CASE = "ic ih iw oc1 k1 s1 p1 oc2 k2 s2 p2 g2 classes".split()
CASES = [
    [1, 16, 14, 4, 3, 1, 0, 6, 3, 1, 0, 1, 5],
    [3, 16, 14, 4, 3, 1, 1, 6, 3, 1, 1, 2, 4],   # colours, padding, groups, pixels left over
    [2, 17, 21, 5, 5, 2, 2, 8, 2, 1, 1, 1, 3],   # a stride
]


class Net(nn.Module):
    def __init__(self, case, key):
        super().__init__()
        c = dict(zip(CASE, case))
        self.conv1 = nn.Conv2d(c["ic"], c["oc1"], c["k1"], c["s1"], c["p1"])
        self.conv2 = nn.Conv2d(c["oc1"], c["oc2"], c["k2"], c["s2"], c["p2"], groups=c["g2"])
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.double()
        self.size = c["ic"], c["ih"], c["iw"]
        features = self.layers(torch.zeros(1, *self.size).double())["pool2"].numel()
        self.fc = nn.Linear(features, c["classes"]).double()
        with torch.no_grad():
            for k, p in enumerate([*self.conv1.parameters(), *self.conv2.parameters(), *self.fc.parameters()]):
                p.copy_(numbers(p.shape, key + 1 + k))

    def layers(self, x):
        """Every value by name, and the switches of both poolings."""
        v = {"x": x, "conv1": self.conv1(x)}
        v["relu1"] = self.relu1(v["conv1"])
        v["pool1"], v["switch1"] = F.max_pool2d(v["relu1"], 2, return_indices=True)
        v["conv2"] = self.conv2(v["pool1"])
        v["relu2"] = self.relu2(v["conv2"])
        v["pool2"], v["switch2"] = F.max_pool2d(v["relu2"], 2, return_indices=True)
        return v

    def forward(self, x):
        return self.fc(self.layers(x)["pool2"].flatten(1))


def saliency(net, x, c):
    """Simonyan et al. 2013, section 3."""
    x = x.clone().requires_grad_()
    net(x)[0, c].backward()
    return x.grad[0].abs().amax(0)


def guided_backprop(net, x, c):
    """Springenberg et al. 2014: what comes out of a ReLU's backward pass is cut off below 0 as well."""
    hooks = [relu.register_full_backward_hook(lambda module, dx, dy: (dx[0].clamp(min=0),))
             for relu in (net.relu1, net.relu2)]
    x = x.clone().requires_grad_()
    net(x)[0, c].backward()
    for hook in hooks:
        hook.remove()
    return x.grad[0]


class DeconvNet:
    """Zeiler & Fergus 2013, section 2.1: a network of its own, attached to each layer, that runs down to pixels."""

    def __init__(self, net, v):
        self.net, self.v = net, v

    def unfilter(self, conv, signal, like):
        """The transposed filters, for an image of the size of `like`."""
        short = [full - ((small - 1) * s - 2 * p + k) for full, small, s, p, k in
                 zip(like.shape[2:], signal.shape[2:], conv.stride, conv.padding, conv.kernel_size)]
        return F.conv_transpose2d(signal, conv.weight, None, conv.stride, conv.padding, short, conv.groups)

    def down(self, layer, signal):
        with torch.no_grad():
            if layer == "pool2":
                layer, signal = "relu2", F.max_unpool2d(signal, self.v["switch2"], 2,
                                                        output_size=self.v["relu2"].shape)
            if layer == "relu2":
                signal = self.unfilter(self.net.conv2, F.relu(signal), self.v["pool1"])
                layer, signal = "relu1", F.max_unpool2d(signal, self.v["switch1"], 2,
                                                        output_size=self.v["relu1"].shape)
            assert layer == "relu1"
            return self.unfilter(self.net.conv1, F.relu(signal), self.v["x"])[0]

    def of_map(self, layer, unit):
        alone = torch.zeros_like(self.v[layer])
        alone[0, unit] = self.v[layer][0, unit].detach()
        return self.down(layer, alone)

    def of_strongest(self, layer, unit):
        value = self.v[layer].detach()
        place = torch.tensor(np.unravel_index(int(value[0, unit].argmax()), value.shape[2:]))
        alone = torch.zeros_like(value)
        alone[0, unit, place[0], place[1]] = value[0, unit].max()
        return self.down(layer, alone), place


def grad_cam(net, x, layer, c):
    """Selvaraju et al. 2016, equations 1 and 2."""
    v = net.layers(x.clone().requires_grad_())
    score = net.fc(v["pool2"].flatten(1))[0, c]
    a = v[layer]
    weights = torch.autograd.grad(score, a)[0].mean((2, 3))
    return weights[0], F.relu((weights[:, :, None, None] * a).sum(1)).detach()


class DeconvRelu(torch.autograd.Function):
    """ReLU whose way back rectifies what comes, and asks nothing of what went forward."""

    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dy):
        return dy.clamp(min=0)


def zfnet_deconvnet():
    """Zeiler & Fergus's own network: windows that overlap send what they have back to one place, where it adds up, and the
    normalisation goes back by its derivative. So it is a gradient, with another rule for the ReLU."""
    image, make = torch_models.networks()["zfnet-small"]
    net = make().double()
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(torch_models.drawn(key, tuple(parameter.shape)).astype(np.float32).astype(np.float64)))
    x = numbers((1, *image), 7100).requires_grad_()
    value, found, relus = x, {}, 0
    for layer in net.order:
        value = DeconvRelu.apply(value) if layer is F.relu else layer(value)
        relus += layer is F.relu
        if relus == 5:
            break
    for unit in (3, 200):
        place = np.unravel_index(int(value[0, unit].argmax()), value.shape[2:])
        alone = torch.zeros_like(value)
        alone[0, unit, place[0], place[1]] = value[0, unit].max()
        assert value[0, unit].max() > 0
        found[f"strongest.relu5.{unit}"] = torch.autograd.grad(value, x, alone, retain_graph=True)[0][0]
        found[f"cell.relu5.{unit}"] = torch.tensor(np.array(place))
    return found


def main():
    torch.set_num_threads(1)
    out = {"explain.cases": np.array(CASES, dtype=np.int64)}
    for k, case in enumerate(CASES):
        net, x = Net(case, 7000 + 10 * k), numbers((1, *case[:3]), 7000 + 10 * k)
        c, size = 1, case[1:3]
        v = net.layers(x)
        found = {"logits": net(x)[0], "saliency": saliency(net, x, c), "guided": guided_backprop(net, x, c)}
        deconvnet = DeconvNet(net, v)
        for layer, value in (("relu1", v["relu1"]), ("relu2", v["relu2"]), ("pool2", v["pool2"])):
            units = value.shape[1]
            for unit in (0, units - 1) if layer == "relu2" else (0,):
                assert value[0, unit].max() > 0
                pixels, place = deconvnet.of_strongest(layer, unit)
                found[f"strongest.{layer}.{unit}"], found[f"cell.{layer}.{unit}"] = pixels, place
            if layer == "pool2":
                found[f"map.{layer}.1"] = deconvnet.of_map(layer, 1)
        for layer in ("relu2", "conv1"):
            for label in range(2):
                weights, cam = grad_cam(net, x, layer, label)
                found[f"cam.{layer}.{label}"], found[f"cam_weights.{layer}.{label}"] = cam[0], weights
                found[f"cam_image.{layer}.{label}"] = F.interpolate(
                    cam[None], size, mode="bilinear", align_corners=False)[0, 0]
            assert max(found[f"cam.{layer}.{label}"].max() for label in range(2)) > 0
        assert all(found[name].abs().max() > 0 for name in found if not name.startswith("cam") and "cell" not in name)
        # What the networks of numbers() must not be: near a ReLU's corner or a tie, where float32 may fall otherwise.
        assert min(v["conv1"].abs().min(), v["conv2"].abs().min()) > 1e-5
        out |= {f"explain.{k}.{name}": value.detach().numpy() for name, value in found.items()}
    out |= {f"zfnet.{name}": value.detach().numpy() for name, value in zfnet_deconvnet().items()}
    assert all(np.isfinite(value).all() for value in out.values())
    save_file({name: np.ascontiguousarray(value) for name, value in out.items()},
              os.path.join(HERE, "values", "explain.safetensors"))


if __name__ == "__main__":
    main()
