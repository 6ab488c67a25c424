"""Peer: PyTorch trains LeNet-5 with the recipe of `lenet5-article`, as fast as PyTorch can be made to.

    python bench/lenet5_torch.py --data PATH [--threads 2] [--batch 100] [--epochs 2] [--channels-last] [--fused]
                                 [--compile]
    python bench/lenet5_torch.py --data PATH --accuracy [--seeds 10]

The first form prints one JSON line, {"name", "epoch_s": [...], "step_ms": [...]}: seconds of each epoch of the 50,000
training images, shuffle and gather included, and the milliseconds of each of its steps. One epoch of warm-up is not
counted. The images are resized, normalised and kept in memory as float32 beforehand, denormals are flushed to zero.

The second form trains one epoch a seed and prints {"name", "seed", "test_accuracy"} for the 10,000 test images, which
are normalised by the training images' statistics; at the end the mean.

PATH: see mnist.py.
"""

import argparse
import json
import time

import mnist
import numpy as np
import torch
from torch import nn

TRAIN = 50000


class ScaledTanh(nn.Module):
    def forward(self, x):
        return 1.7159 * torch.tanh(x)


def lenet5():
    """The net with the article's start: normal, std sqrt(1/K) conv weights, sqrt(1/OC) their biases, and so on."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5), ScaledTanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), ScaledTanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), ScaledTanh(), nn.Linear(120, 84), ScaledTanh(), nn.Linear(84, 10))
    for layer in net:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
            nn.init.normal_(layer.bias, std=layer.bias.numel() ** -0.5)
    return net


def load(path):
    """((x, y) of the training split, (x, y) of the test images): x (N, 1, 32, 32) float32, normalised."""
    images, labels = mnist.load(path)
    train = mnist.resize(images[:TRAIN])
    mean, std = train.mean(), train.std()
    test_images, test_labels = mnist.load(path, "t10k")

    def tensors(x, y):
        return torch.from_numpy(((x - mean) / std).astype(np.float32)), torch.from_numpy(y.astype(np.int64))

    return tensors(train, labels[:TRAIN]), tensors(mnist.resize(test_images), test_labels)


def train_epoch(net, optimizer, x, y, batch, step_ms=None):
    """One shuffled epoch; appends the time of each step to step_ms."""
    loss_of = nn.CrossEntropyLoss()
    order = torch.randperm(len(x))
    before = time.perf_counter()
    for chosen in order.split(batch):
        loss = loss_of(net(x[chosen]), y[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step_ms is not None:
            now = time.perf_counter()
            step_ms.append(round((now - before) * 1e3, 4))
            before = now


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        right = sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(1000), y.split(1000)))
    return right / len(y)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="time this many steps only, not whole epochs")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--fused", action="store_true", help="Adam(fused=True)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the net (needs a C++ compiler)")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)

    (x, y), (test_x, test_y) = load(args.data)
    name = "torch-" + torch.__version__.split("+")[0]
    for option in ("channels_last", "fused", "compile"):
        name += "+" + option if getattr(args, option) else ""

    def fresh(seed):
        torch.manual_seed(seed)
        net = lenet5()
        if args.channels_last:
            net = net.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=args.fused or None)
        return (torch.compile(net) if args.compile else net), optimizer

    if args.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    if args.accuracy:
        results = []
        for seed in range(args.seeds):
            net, optimizer = fresh(seed)
            train_epoch(net, optimizer, x, y, args.batch)
            results.append(accuracy(net, test_x, test_y))
            print(json.dumps({"name": name, "seed": seed, "test_accuracy": results[-1]}), flush=True)
        print(json.dumps({"name": name, "seeds": args.seeds, "mean": round(float(np.mean(results)), 6),
                          "std": round(float(np.std(results, ddof=1)), 6) if args.seeds > 1 else None}))
        return

    net, optimizer = fresh(0)
    if args.steps:
        x, y = x[: args.steps * args.batch], y[: args.steps * args.batch]
    train_epoch(net, optimizer, x, y, args.batch)
    epoch_s, step_ms = [], []
    for _ in range(args.epochs):
        start = time.perf_counter()
        train_epoch(net, optimizer, x, y, args.batch, step_ms)
        epoch_s.append(round(time.perf_counter() - start, 4))
    print(json.dumps({"name": name, "threads": args.threads, "batch": args.batch, "images": len(x),
                      "epoch_s": epoch_s, "step_ms": step_ms}))


if __name__ == "__main__":
    main()
