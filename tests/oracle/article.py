"""The article's convolution by im2col and col2im in NumPy, written anew, on its worked example and four more.

    python tests/oracle/article.py        writes values/article.safetensors (after checking it with torch's autograd)

For each case NAME: the inputs x, w, b, dy; the index matrices i, j (IC*KH*KW, OH*OW), d (IC*KH*KW, 1); the matrix of
patches `columns` (IC*KH*KW, N*OH*OW), images side by side; the outputs y, dx, dw, db; `geometry` = stride, padding.
Cases: `example` is the article's, x (1,3,4,4), w (2,3,2,2); `two_images` the same with two images; `strided` has
stride 2, padding 1, a non-square input; `example_float` and `two_images_float` have fractions. All others
are small integers, so every sum is exact and every number can be asked to be equal.
"""

import os

import numpy as np
import torch
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def window_counts(size, kernel, stride, pad):
    return (size + 2 * pad - kernel) // stride + 1


def get_indices(shape, kernel_h, kernel_w, stride, pad):
    """Where each entry of the columns comes from: row i, column j of the padded image, channel d."""
    _, channels, height, width = shape
    out_h = window_counts(height, kernel_h, stride, pad)
    out_w = window_counts(width, kernel_w, stride, pad)
    tap_row = np.tile(np.repeat(np.arange(kernel_h), kernel_w), channels)
    tap_column = np.tile(np.arange(kernel_w), kernel_h * channels)
    level = stride * np.repeat(np.arange(out_h), out_w)
    slide = stride * np.tile(np.arange(out_w), out_h)
    i = tap_row[:, None] + level[None, :]
    j = tap_column[:, None] + slide[None, :]
    d = np.repeat(np.arange(channels), kernel_h * kernel_w)[:, None]
    return i, j, d


def im2col(x, kernel_h, kernel_w, stride, pad):
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    i, j, d = get_indices(x.shape, kernel_h, kernel_w, stride, pad)
    return np.concatenate(padded[:, d, i, j], axis=1)


def col2im(columns, shape, kernel_h, kernel_w, stride, pad):
    n, channels, height, width = shape
    padded = np.zeros((n, channels, height + 2 * pad, width + 2 * pad))
    i, j, d = get_indices(shape, kernel_h, kernel_w, stride, pad)
    np.add.at(padded, (slice(None), d, i, j), np.stack(np.hsplit(columns, n)))
    return padded[:, :, pad : pad + height, pad : pad + width]


def convolution(x, w, b, dy_of_shape, stride, pad):
    """All three passes; dy_of_shape makes dy once the size of y is known."""
    n, (oc, _, kh, kw) = len(x), w.shape
    out_h, out_w = (window_counts(x.shape[2], kh, stride, pad), window_counts(x.shape[3], kw, stride, pad))
    columns = im2col(x, kh, kw, stride, pad)
    y = (w.reshape(oc, -1) @ columns + b[:, None]).reshape(oc, n, out_h, out_w).transpose(1, 0, 2, 3)
    dy = dy_of_shape(y.shape)
    dy_rows = dy.transpose(1, 0, 2, 3).reshape(oc, -1)
    dx = col2im(w.reshape(oc, -1).T @ dy_rows, x.shape, kh, kw, stride, pad)
    dw = (dy_rows @ columns.T).reshape(w.shape)
    return columns, y, dy, dx, dw, dy_rows.sum(1)


def check_with_torch(case, exact):
    stride, pad = case["geometry"]
    x, w, b = (torch.from_numpy(case[k].copy()).requires_grad_() for k in "xwb")
    y = torch.nn.functional.conv2d(x, w, b, stride=int(stride), padding=int(pad))
    y.backward(torch.from_numpy(case["dy"].copy()))
    for name, theirs in (("y", y.detach()), ("dx", x.grad), ("dw", w.grad), ("db", b.grad)):
        error = abs(theirs.numpy() - case[name]).max()
        assert error <= (0 if exact else 1e-14), (name, error)
    unfold = torch.nn.functional.unfold(x.detach(), w.shape[2:], stride=int(stride), padding=int(pad))
    assert (np.concatenate(unfold.numpy(), axis=1) == case["columns"]).all()


def make(name, x_shape, w_shape, stride, pad, rng, exact):
    def draw(shape):
        return rng.integers(-9, 10, shape).astype(np.float64) / (1 if exact else 7)

    x, w, b = draw(x_shape), draw(w_shape), draw(w_shape[:1])
    columns, y, dy, dx, dw, db = convolution(x, w, b, draw, stride, pad)
    i, j, d = get_indices(x_shape, w_shape[2], w_shape[3], stride, pad)
    case = {"x": x, "w": w, "b": b, "dy": dy, "y": y, "dx": dx, "dw": dw, "db": db, "columns": columns,
            "i": i, "j": j, "d": d, "geometry": np.array([stride, pad])}
    case = {k: np.ascontiguousarray(v) for k, v in case.items()}
    check_with_torch(case, exact)
    return {f"{name}.{k}": v for k, v in case.items()}


def main():
    rng = np.random.default_rng(1)
    tensors = {
        **make("example", (1, 3, 4, 4), (2, 3, 2, 2), 1, 0, rng, True),
        **make("two_images", (2, 3, 4, 4), (2, 3, 2, 2), 1, 0, rng, True),
        **make("strided", (2, 3, 5, 8), (2, 3, 3, 2), 2, 1, rng, True),
        **make("example_float", (1, 3, 4, 4), (2, 3, 2, 2), 1, 0, rng, False),
        **make("two_images_float", (2, 3, 4, 4), (2, 3, 2, 2), 1, 0, rng, False),
    }
    assert tensors["example.columns"].shape == (12, 9) and tensors["two_images.columns"].shape == (12, 18)
    save_file(tensors, os.path.join(HERE, "values", "article.safetensors"))


if __name__ == "__main__":
    main()
