"""The first 500 losses of lenet5-article in PyTorch, float64, from recorded weights and in a fixed order.

    python tests/oracle/lenet5_losses.py --data PATH        writes values/lenet5_losses.safetensors
    python tests/oracle/lenet5_losses.py --data PATH --check  compares with the file instead

PATH: see bench/mnist.py. The recipe: the first 50,000 training images; bytes / 255; bilinear resize to 32x32
(align_corners=False); (x - mean) / std with the population mean and standard deviation of all resized training
pixels; conv 6@5x5, 1.7159*tanh, average pool 2x2, conv 16@5x5, tanh, pool, fc 120, tanh, fc 84, tanh, fc 10;
mean cross-entropy; Adam 1e-3 (0.9, 0.999, 1e-8) with bias correction; batch 100. The sample at place j of step s
is ((s * 100 + j) * 7919) mod 50000 (7919 is prime to 50000: 500 steps show every image once).

Recorded: the weights at the start (float32, used as they are in float64), `losses` (500), `mean`, `std`.
"""

import argparse
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench"))
import mnist  # noqa: E402

SHAPES = {  # name: (shape, inputs of one output for weights, outputs for biases)
    "conv1.weight": ((6, 1, 5, 5), 25), "conv1.bias": ((6,), 6),
    "conv2.weight": ((16, 6, 5, 5), 150), "conv2.bias": ((16,), 16),
    "fc1.weight": ((120, 400), 400), "fc1.bias": ((120,), 120),
    "fc2.weight": ((84, 120), 120), "fc2.bias": ((84,), 84),
    "fc3.weight": ((10, 84), 84), "fc3.bias": ((10,), 10),
}
STEPS, BATCH, TRAIN = 500, 100, 50000


def start_weights(seed=5):
    rng = np.random.RandomState(seed)
    return {name: (rng.standard_normal(shape) * np.sqrt(1 / fan)).astype(np.float32)
            for name, (shape, fan) in SHAPES.items()}


def forward(p, x):
    def scaled_tanh(v):
        return 1.7159 * torch.tanh(v)

    x = F.avg_pool2d(scaled_tanh(F.conv2d(x, p["conv1.weight"], p["conv1.bias"])), 2)
    x = F.avg_pool2d(scaled_tanh(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), 2)
    x = scaled_tanh(F.linear(x.flatten(1), p["fc1.weight"], p["fc1.bias"]))
    x = scaled_tanh(F.linear(x, p["fc2.weight"], p["fc2.bias"]))
    return F.linear(x, p["fc3.weight"], p["fc3.bias"])


def run(path, weights, jitter=0.0):
    images, labels = mnist.load(path)
    images, labels = images[:TRAIN], labels[:TRAIN]
    pixels = torch.from_numpy(images.astype(np.float64))[:, None] / 255
    pixels = F.interpolate(pixels, size=(32, 32), mode="bilinear", align_corners=False)
    assert abs(pixels.numpy() - mnist.resize(images)).max() < 1e-14
    # NumPy's pairwise sums: torch's running sum over 51 million pixels is off by 1e-11 and depends on the threads.
    mean, std = pixels.numpy().mean(), pixels.numpy().std()
    pixels = (pixels - mean) / std
    labels = torch.from_numpy(labels.astype(np.int64))

    p = {name: torch.from_numpy(w).double().requires_grad_() for name, w in weights.items()}
    if jitter:
        with torch.no_grad():
            for w in p.values():
                w *= 1 + jitter * torch.sign(torch.randn_like(w))
    optimizer = torch.optim.Adam(p.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    losses = np.zeros(STEPS)
    for s in range(STEPS):
        chosen = (s * BATCH + torch.arange(BATCH)) * 7919 % TRAIN
        loss = F.cross_entropy(forward(p, pixels[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[s] = loss.item()
    return losses, mean, std


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--check", action="store_true", help="compare with the recorded file, write nothing")
    parser.add_argument("--jitter", type=float, default=0.0,
                        help="with --check: multiply each start weight by 1 +- this, to see how errors grow")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    file = os.path.join(HERE, "values", "lenet5_losses.safetensors")
    weights = start_weights()
    losses, mean, std = run(args.data, weights, args.jitter)
    if args.check:
        was = load_file(file)
        assert all((was[name] == weights[name]).all() for name in weights)
        print("largest relative difference of the losses:", np.max(abs(losses - was["losses"]) / was["losses"]),
              "mean:", abs(mean - was["mean"][0]), "std:", abs(std - was["std"][0]))
        return
    save_file({**weights, "losses": losses, "mean": np.array([mean]), "std": np.array([std])}, file)
    print(f"mean {mean:.15f} std {std:.15f} losses {losses[0]:.6f} ... {losses[-1]:.6f}")


if __name__ == "__main__":
    main()
