"""Peer: PyTorch trains a network on a folder of pictures by the recipe that `unfold train` is given here, and prints what
its epochs say.

    build/bench/bench_course resnet20 FOLDER 1 128 0.1 start.safetensors          the same initial weights
    python folder_torch.py start.safetensors FOLDER --epochs 24 --stop-after 3 --lr 0.2 --warmup 5
    unfold train --model resnet20 --data FOLDER --epochs 24 --batch-size 128 --optimizer sgd --nesterov --lr 0.2 \\
      --weight-decay 5e-4 --schedule one-cycle --warmup 5 --augment flip,crop:4 --val-split 0.02

All pictures are decoded once and stay in memory as bytes; flips, crops and the normalisation are done a batch at a time.
The order and the augmentations are other draws than ours: the curves agree as two seeds do.
"""

import argparse
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import course_torch


def load(folder):
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir())
    images, labels = [], []
    for k, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            images.append(np.asarray(Image.open(path).convert("RGB")))
            labels.append(k)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def augmented(images, padding):
    """RandomHorizontalFlip and RandomCrop with black around, of a batch of bytes (N, C, H, W)."""
    n, _, h, w = images.shape
    flipped = torch.where(torch.rand(n, 1, 1, 1) < 0.5, images, images.flip(3))
    wide = F.pad(flipped, (padding,) * 4)
    rows = torch.randint(2 * padding + 1, (n, 1)) + torch.arange(h)
    columns = torch.randint(2 * padding + 1, (n, 1)) + torch.arange(w)
    return wide[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images, side):
    """One square of each image in the mean's colour (0 once normalised), its middle anywhere, cut off at the edges."""
    n, _, h, w = images.shape
    rows = torch.arange(h) - torch.randint(h, (n, 1)) + side // 2
    columns = torch.arange(w) - torch.randint(w, (n, 1)) + side // 2
    inside = ((rows >= 0) & (rows < side))[:, None, :, None] & ((columns >= 0) & (columns < side))[:, None, None, :]
    return images.masked_fill_(inside, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--stop-after", type=int, help="epochs; the schedule is that of all of them")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.2)
    parser.add_argument("--warmup", type=float, default=5)
    parser.add_argument("--cutout", type=int, default=0, help="side of the square that is painted over")
    parser.add_argument("--label-smoothing", type=float, default=0)
    parser.add_argument("--held-out", type=float, default=0.02)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=("nchw", "nhwc"), default="nhwc")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    form = torch.channels_last if options.layout == "nhwc" else torch.contiguous_format

    net, _, _ = course_torch.load(options.start)
    net = net.to(memory_format=form).train()

    images, labels = load(options.folder / "train")
    count = len(images) - round(options.held_out * len(images))
    chosen = torch.randperm(len(images))[:count]
    images, labels = images[chosen], labels[chosen]
    parts = [images[i:i + 1000].float().div(255) for i in range(0, count, 1000)]
    mean = torch.stack([p.mean((0, 2, 3)) for p in parts]).mean(0).reshape(1, 3, 1, 1)
    std = torch.stack([(p - mean).square().mean((0, 2, 3)) for p in parts]).mean(0).sqrt().reshape(1, 3, 1, 1)

    steps = -(-count // options.batch)
    sgd = torch.optim.SGD(net.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(sgd, options.lr, total_steps=options.epochs * steps,
                                                pct_start=options.warmup / options.epochs, cycle_momentum=False)
    for epoch in range(options.stop_after or options.epochs):
        begin, losses, correct = time.perf_counter(), 0.0, 0
        order = torch.randperm(count)
        for at in range(0, count, options.batch):
            index = order[at:at + options.batch]
            x = augmented(images[index], 4).float().div_(255).sub_(mean).div_(std)
            x = (cut_out(x, options.cutout) if options.cutout else x).contiguous(memory_format=form)
            sgd.zero_grad(set_to_none=True)
            logits = net(x)
            loss = F.cross_entropy(logits, labels[index], label_smoothing=options.label_smoothing)
            loss.backward()
            sgd.step()
            cycle.step()
            losses += loss.item() * len(index)
            correct += (logits.argmax(1) == labels[index]).sum().item()
        seconds = time.perf_counter() - begin
        print(f"epoch {epoch + 1}/{options.epochs}  loss {losses / count:.4f}  acc {100 * correct / count:.2f}%  "
              f"{seconds:.1f} s  {count / seconds:.0f} img/s", flush=True)


if __name__ == "__main__":
    main()
