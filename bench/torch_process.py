"""Peer: a whole PyTorch program that does what `unfold train` does, from start to saved model.

    python torch_process.py --data PATH --out DIR [--model lenet5-article] [--epochs 1] [--batch 100] [--lr 1e-3]
                            [--one-cycle] [--shift 0] [--seed 0] [--threads 2] [--layout nhwc]

Loads the IDX files, fits the images into 32 x 32 (resized for lenet5-article, centred for lenet5), normalises them in
memory once, trains on the first 50,000, evaluates the last 10,000 after each epoch, keeps the best weights, evaluates the
10,000 test images at the end, and saves both. Prints {"accuracy": of the last step's weights on the test images}.
"""

import argparse
import json
import pathlib

import mnist
import numpy as np
import torch
import torch.nn.functional as F
import torch_nets

TRAIN = 50000
MARGIN = 2  # a 28 x 28 image in 32 x 32


def initial(net, model):
    """The article's initial values; PyTorch's own otherwise, as `unfold train` has it."""
    if model == "lenet5-article":
        for layer in net:
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
                torch.nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
                torch.nn.init.normal_(layer.bias, std=layer.bias.numel() ** -0.5)
    return net


class Images:
    """One half of MNIST in memory, float32, ready to be gathered."""

    def __init__(self, path, part, model, shift, statistics=None):
        images, labels = mnist.load(path, part)
        self.y = torch.from_numpy(labels.astype(np.int64))
        x = torch.from_numpy(images.copy())[:, None].float().div_(255)
        self.shift = shift
        if model == "lenet5-article":
            x = F.interpolate(x, size=(32, 32), mode="bilinear", align_corners=False)
        else:
            x = F.pad(x, (MARGIN,) * 4)
        # Of the images as the network gets them.
        self.statistics = statistics or (x[:TRAIN].mean().item(), x[:TRAIN].std().item())
        mean, std = self.statistics
        x = x.sub_(mean).div_(std)
        if shift:
            background = -mean / std
            x = F.pad(x, (shift,) * 4, value=background)
        self.x = x[:, 0]
        # (N, shifts down, shifts right, 32, 32): every place the window can stand, without a copy
        self.windows = self.x.unfold(1, 32, 1).unfold(2, 32, 1)

    def batch(self, chosen, moved):
        if not self.shift:
            return self.x.index_select(0, chosen)[:, None]
        if not moved:
            return self.windows[chosen, self.shift, self.shift][:, None]
        at = torch.randint(0, 2 * self.shift + 1, (2, len(chosen)))
        return self.windows[chosen, at[0], at[1]][:, None]


def accuracy(net, images, first, count):
    net.eval()
    right = 0
    with torch.inference_mode():
        for chosen in torch.arange(first, first + count).split(1000):
            right += (net(images.batch(chosen, False)).argmax(1) == images.y[chosen]).sum().item()
    net.train()
    return right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--model", default="lenet5-article")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--one-cycle", action="store_true")
    parser.add_argument("--shift", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=("nchw", "nhwc"), default="nhwc")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)

    train = Images(args.data, "train", args.model, args.shift)
    net = initial(torch_nets.NETS[args.model](), args.model)
    if args.layout == "nhwc":
        net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=args.lr, fused=True)
    steps = args.epochs * -(-TRAIN // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=steps, cycle_momentum=False) \
        if args.one_cycle else None
    args.out.mkdir(parents=True, exist_ok=True)
    best = -1.0
    for _ in range(args.epochs):
        for chosen in torch.randperm(TRAIN).split(args.batch):
            loss = F.cross_entropy(net(train.batch(chosen, True)), train.y[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
        val = accuracy(net, train, TRAIN, len(train.y) - TRAIN)
        if val > best:
            best = val
            torch.save(net.state_dict(), args.out / "best.pt")
    test = Images(args.data, "t10k", args.model, args.shift, train.statistics)
    result = accuracy(net, test, 0, len(test.y))
    torch.save(net.state_dict(), args.out / "last.pt")
    print(json.dumps({"accuracy": result, "val": val}))


if __name__ == "__main__":
    main()
