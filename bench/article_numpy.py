"""Peer: the article's NumPy programs train LeNet-5, its im2col version and its plain loops, written anew.

    python bench/article_numpy.py --data PATH [--steps 20] [--loops 2] [--dtype float64]

Each step of the recipe of `lenet5-article` (batch 100, Adam) on real MNIST is timed whole: the gather of the batch,
forward, loss, backward, optimizer. Prints one JSON line a version, {"name", "batch", "step_ms": [...]}: `numpy-im2col` does
--steps steps of 100 images after one of warm-up; `numpy-loops` does one step of --loops images, as it would take most
of an hour for an epoch (its cost is proportional to the images; 0 leaves it out). The losses of the first and the last step
are printed too, and the loops must have the loss of im2col.

--check compares the first --steps losses of `numpy-im2col` with those recorded from PyTorch (tests/oracle) instead: the same
weights and order, both in float64.

What the article's program gets wrong is right here (padding cropped from height and width, the factor of 1.7159 tanh's
derivative, gradients of the batch's mean everywhere, softmax's maximum per row, Adam's bias correction, shuffling);
what costs time is as it has it: get_indices anew in every call, fancy indexing for im2col, np.add.at for col2im,
float64. PATH: see mnist.py.
"""

import argparse
import json
import os
import time

import mnist
import numpy as np

TRAIN, BATCH = 50000, 100


# ---- the patch matrix -----------------------------------------------------------------------------------------------

def get_indices(shape, kernel, stride, pad):
    _, channels, height, width = shape
    out_h = (height + 2 * pad - kernel) // stride + 1
    out_w = (width + 2 * pad - kernel) // stride + 1
    tap_i = np.tile(np.repeat(np.arange(kernel), kernel), channels)
    tap_j = np.tile(np.arange(kernel), kernel * channels)
    i = tap_i[:, None] + stride * np.repeat(np.arange(out_h), out_w)[None, :]
    j = tap_j[:, None] + stride * np.tile(np.arange(out_w), out_h)[None, :]
    return i, j, np.repeat(np.arange(channels), kernel * kernel)[:, None]


def im2col(x, kernel, stride, pad):
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    i, j, d = get_indices(x.shape, kernel, stride, pad)
    return np.concatenate(padded[:, d, i, j], axis=-1)


def col2im(columns, shape, kernel, stride, pad):
    n, channels, height, width = shape
    padded = np.zeros((n, channels, height + 2 * pad, width + 2 * pad), columns.dtype)
    i, j, d = get_indices(shape, kernel, stride, pad)
    np.add.at(padded, (slice(None), d, i, j), np.array(np.hsplit(columns, n)))
    return padded[:, :, pad : pad + height, pad : pad + width]


def rows_of(y):
    """(N, C, H, W) -> (C, N*H*W), images side by side."""
    return y.transpose(1, 0, 2, 3).reshape(y.shape[1], -1)


def images_of(rows, n, height, width):
    """(C, N*H*W), images side by side -> (N, C, H, W)."""
    return rows.reshape(len(rows), n, height, width).transpose(1, 0, 2, 3)


# ---- layers; the base class keeps what backward needs --------------------------------------------------------------

class Layer:
    def __init__(self):
        self.parameters = {}
        self.gradients = {}

    def draw(self, rng, w_shape, fan, outputs, dtype):
        self.parameters = {"w": rng.normal(0, fan**-0.5, w_shape).astype(dtype),
                           "b": rng.normal(0, outputs**-0.5, outputs).astype(dtype)}


class Im2colConv(Layer):
    def __init__(self, rng, ic, oc, kernel, dtype):
        super().__init__()
        self.kernel = kernel
        self.draw(rng, (oc, ic, kernel, kernel), ic * kernel * kernel, oc, dtype)

    def forward(self, x):
        w, b = self.parameters["w"], self.parameters["b"]
        self.shape, self.columns = x.shape, im2col(x, self.kernel, 1, 0)
        side = x.shape[2] - self.kernel + 1
        return images_of(w.reshape(len(w), -1) @ self.columns + b[:, None], len(x), side, side)

    def backward(self, dy):
        w = self.parameters["w"]
        rows = rows_of(dy)
        self.gradients = {"w": (rows @ self.columns.T).reshape(w.shape), "b": rows.sum(1)}
        return col2im(w.reshape(len(w), -1).T @ rows, self.shape, self.kernel, 1, 0)


class Im2colPool(Layer):
    """Average over 2x2, stride 2."""

    def forward(self, x):
        self.shape = x.shape
        n, c, h, w = x.shape
        return images_of(im2col(x, 2, 2, 0).reshape(c, 4, -1).mean(1), n, h // 2, w // 2)

    def backward(self, dy):
        return col2im(np.repeat(rows_of(dy) / 4, 4, axis=0), self.shape, 2, 2, 0)


class LoopConv(Im2colConv):
    def forward(self, x):
        w, b, k = self.parameters["w"], self.parameters["b"], self.kernel
        self.x = x
        side = x.shape[2] - k + 1
        y = np.zeros((len(x), len(w), side, side), x.dtype)
        for n in range(len(x)):
            for oc in range(len(w)):
                for h in range(side):
                    for v in range(side):
                        y[n, oc, h, v] = np.sum(x[n, :, h : h + k, v : v + k] * w[oc]) + b[oc]
        return y

    def backward(self, dy):
        w, k = self.parameters["w"], self.kernel
        dx, dw = np.zeros_like(self.x), np.zeros_like(w)
        for n in range(len(dy)):
            for oc in range(len(w)):
                for h in range(dy.shape[2]):
                    for v in range(dy.shape[3]):
                        dx[n, :, h : h + k, v : v + k] += dy[n, oc, h, v] * w[oc]
                        dw[oc] += dy[n, oc, h, v] * self.x[n, :, h : h + k, v : v + k]
        self.gradients = {"w": dw, "b": dy.sum((0, 2, 3))}
        return dx


class LoopPool(Layer):
    def forward(self, x):
        self.shape = x.shape
        y = np.zeros((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), x.dtype)
        for n, c, h, v in np.ndindex(*y.shape):
            y[n, c, h, v] = np.mean(x[n, c, 2 * h : 2 * h + 2, 2 * v : 2 * v + 2])
        return y

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for n, c, h, v in np.ndindex(*dy.shape):
            dx[n, c, 2 * h : 2 * h + 2, 2 * v : 2 * v + 2] += dy[n, c, h, v] / 4
        return dx


class Linear(Layer):
    def __init__(self, rng, inputs, outputs, dtype):
        super().__init__()
        self.draw(rng, (outputs, inputs), inputs, outputs, dtype)

    def forward(self, x):
        self.x = x
        return x @ self.parameters["w"].T + self.parameters["b"]

    def backward(self, dy):
        self.gradients = {"w": dy.T @ self.x, "b": dy.sum(0)}
        return dy @ self.parameters["w"]


class Tanh(Layer):
    def forward(self, x):
        self.t = np.tanh(x)
        return 1.7159 * self.t

    def backward(self, dy):
        return dy * (1.7159 * (1 - self.t**2))


class Flatten(Layer):
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape)


# ---- training ------------------------------------------------------------------------------------------------------

class LeNet5:
    def __init__(self, conv, pool, dtype, seed=0):
        rng = np.random.RandomState(seed)
        self.layers = [conv(rng, 1, 6, 5, dtype), Tanh(), pool(), conv(rng, 6, 16, 5, dtype), Tanh(), pool(), Flatten(),
                       Linear(rng, 400, 120, dtype), Tanh(), Linear(rng, 120, 84, dtype), Tanh(),
                       Linear(rng, 84, 10, dtype)]

    def step(self, x, label):
        """Forward, mean cross-entropy, backward; returns the loss."""
        for layer in self.layers:
            x = layer.forward(x)
        shifted = x - x.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        dy = np.exp(log_p)
        dy[np.arange(len(x)), label] -= 1
        dy /= len(x)
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return -log_p[np.arange(len(x)), label].mean()


class Adam:
    def __init__(self, layers):
        self.layers, self.t, self.state = layers, 0, {}

    def step(self):
        self.t += 1
        for l, layer in enumerate(self.layers):
            for name, g in layer.gradients.items():
                m, v = self.state.get((l, name), (0.0, 0.0))
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                self.state[l, name] = m, v
                layer.parameters[name] -= 1e-3 * (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


def timed(name, net, x, label, batch, steps, warm_up):
    optimizer = Adam(net.layers)
    order = np.random.RandomState(1).permutation(len(x))
    step_ms, losses = [], []
    for s in range(warm_up + steps):
        start = time.perf_counter()
        chosen = order[np.arange(s * batch, (s + 1) * batch) % len(x)]
        losses.append(net.step(x[chosen], label[chosen]))
        optimizer.step()
        step_ms.append(round((time.perf_counter() - start) * 1e3, 3))
    print(json.dumps({"name": name, "batch": batch, "step_ms": step_ms[warm_up:],
                      "first_loss": round(float(losses[0]), 6), "last_loss": round(float(losses[-1]), 6)}), flush=True)
    return losses[0]


def check(x, label, steps):
    """The first losses against tests/oracle/values/lenet5_losses.safetensors; made by lenet5_losses.py there."""
    from safetensors.numpy import load_file

    recorded = load_file(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "oracle", "values",
                                      "lenet5_losses.safetensors"))
    net = LeNet5(Im2colConv, Im2colPool, "float64")
    weighted = [layer for layer in net.layers if layer.parameters]
    for name, layer in zip(("conv1", "conv2", "fc1", "fc2", "fc3"), weighted):
        layer.parameters = {"w": recorded[name + ".weight"].astype(float), "b": recorded[name + ".bias"].astype(float)}
    optimizer = Adam(net.layers)
    worst = 0
    for s in range(steps):
        chosen = (s * BATCH + np.arange(BATCH)) * 7919 % TRAIN
        loss = net.step(x[chosen], label[chosen])
        optimizer.step()
        worst = max(worst, abs(loss - recorded["losses"][s]) / recorded["losses"][s])
    print(json.dumps({"name": "numpy-im2col", "steps": steps, "largest_relative_difference": worst}))
    assert worst < 1e-10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--loops", type=int, default=2, help="images of the one step of the plain loops")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    images, labels = mnist.load(args.data)
    x = mnist.resize(images[:TRAIN])
    x = ((x - x.mean()) / x.std()).astype(args.dtype)
    label = labels[:TRAIN].astype(int)
    if args.check:
        check(x, label, args.steps)
        return
    timed("numpy-im2col", LeNet5(Im2colConv, Im2colPool, args.dtype), x, label, BATCH, args.steps, 1)
    if args.loops:
        loss = timed("numpy-loops", LeNet5(LoopConv, LoopPool, args.dtype), x, label, args.loops, 1, 0)
        chosen = np.random.RandomState(1).permutation(len(x))[: args.loops]
        same = LeNet5(Im2colConv, Im2colPool, args.dtype).step(x[chosen], label[chosen])
        assert abs(loss - same) <= 1e-5 * abs(same), "the loops and im2col disagree"


if __name__ == "__main__":
    main()
