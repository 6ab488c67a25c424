"""The networks as PyTorch modules, layer by layer as `unfold bench` builds them."""

from torch import nn
import torch


class ScaledTanh(nn.Module):
    def forward(self, x):
        return 1.7159 * torch.tanh(x)


def lenet5_article():
    """The article's: 1.7159 tanh and average pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), ScaledTanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), ScaledTanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), ScaledTanh(), nn.Linear(120, 84), ScaledTanh(), nn.Linear(84, 10))


def lenet5():
    """As the field trains it today: ReLU and max pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10))


def _features(table):
    layers = []
    for entry in table:
        if entry == "pool":
            layers.append(nn.MaxPool2d(*pool_window(table)))
        else:
            layers += [nn.Conv2d(*entry), nn.ReLU(inplace=True)]
    return layers


def pool_window(table):
    """AlexNet's pooling overlaps: 3 wide, stride 2; VGG's does not."""
    return (3, 2) if table is ALEXNET else (2, 2)


# Channels in and out, kernel, stride, padding: torchvision's tables. At 224 x 224 its adaptive pooling does nothing.
ALEXNET = [(3, 64, 11, 4, 2), "pool", (64, 192, 5, 1, 2), "pool", (192, 384, 3, 1, 1), (384, 256, 3, 1, 1),
           (256, 256, 3, 1, 1), "pool"]
VGG16 = [(3, 64, 3, 1, 1), (64, 64, 3, 1, 1), "pool", (64, 128, 3, 1, 1), (128, 128, 3, 1, 1), "pool",
         (128, 256, 3, 1, 1), (256, 256, 3, 1, 1), (256, 256, 3, 1, 1), "pool",
         (256, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 1), "pool",
         (512, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 1), "pool"]


def alexnet():
    return nn.Sequential(
        *_features(ALEXNET), nn.Flatten(),
        nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(inplace=True),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000))


def vgg16():
    return nn.Sequential(
        *_features(VGG16), nn.Flatten(),
        nn.Linear(25088, 4096), nn.ReLU(inplace=True), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 1000))


NETS = {"lenet5-article": lenet5_article, "lenet5": lenet5, "alexnet": alexnet, "vgg16": vgg16}
SIDES = {"lenet5-article": (1, 32), "lenet5": (1, 32), "alexnet": (3, 224), "vgg16": (3, 224)}


def load(net, weights):
    """Takes over parameters given in the order of the network; names may differ, shapes may not."""
    own = list(net.parameters())
    given = list(weights.values())
    assert [tuple(p.shape) for p in own] == [w.shape for w in given], "not the same network"
    with torch.no_grad():
        for p, w in zip(own, given):
            p.copy_(torch.from_numpy(w.copy()))
    return net
