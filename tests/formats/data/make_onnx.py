#!/usr/bin/env python3
"""ONNX files that PyTorch's exporter wrote, with what the nets gave: torch_nets.safetensors and torch_*.onnx.

    make_onnx.py      writes the files beside it; wants torch, onnx, safetensors (made with PyTorch 2.13, onnx 1.23)

Each is exported in evaluation mode for a batch of any size.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = pathlib.Path(__file__).parent


class Residual(nn.Module):
    """Convolution, normalisation, a shortcut, squeeze and excitation; the head flattens by view()."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Hardswish())
        self.gate = nn.Conv2d(8, 8, 1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.head = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x):
        x = self.stem(x)
        y = self.branch(x)
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        x = self.pool(torch.relu(x + y))
        return self.head(x.view(x.size(0), -1))


class Plain(nn.Module):
    """What SqueezeNet has: branches that are joined, a global mean; and a softmax at the end."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.left, self.right = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.conv2 = nn.Conv2d(8, 5, 1)

    def forward(self, x):
        x = nn.functional.avg_pool2d(nn.functional.relu6(self.conv1(x)), 2, padding=1, count_include_pad=False)
        x = torch.cat((nn.functional.leaky_relu(self.left(x), 0.2), torch.tanh(self.right(x))), 1)
        x = nn.functional.adaptive_avg_pool2d(self.conv2(self.drop(x)), 1)
        return torch.softmax(torch.flatten(x, 1), 1)


def randomised(net):
    generator = torch.Generator().manual_seed(3)
    for name, values in net.state_dict().items():
        if values.dtype == torch.float32:
            low = 0.5 if name.endswith("var") else -0.5
            values.copy_(torch.rand(values.shape, generator=generator) + low)
    return net.eval()


def main():
    recorded = {}
    for name, net, shape, opset in (("residual", Residual(), (2, 3, 17, 17), 17), ("plain", Plain(), (2, 1, 12, 12), 13)):
        x = torch.rand(shape, generator=torch.Generator().manual_seed(5))
        net = randomised(net)
        torch.onnx.export(net, x, FOLDER / f"torch_{name}.onnx", dynamo=False, opset_version=opset, input_names=["image"],
                          dynamic_axes={"image": {0: "batch"}})
        with torch.no_grad():
            y = net.double()(x.double())
        recorded[f"{name}.x"], recorded[f"{name}.y"] = x, y.contiguous()
    save_file(recorded, FOLDER / "torch_nets.safetensors")


if __name__ == "__main__":
    main()
