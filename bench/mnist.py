"""MNIST for the Python peers and oracles: the IDX files, resized and normalised as the article's recipe says.

PATH is a directory that holds the four IDX files (raw or .gz), or a tar archive that holds them anywhere.
"""

import gzip
import os
import struct
import tarfile

import numpy as np


def _idx_bytes(path, name):
    if os.path.isdir(path):
        for candidate, opener in ((name, open), (name + ".gz", gzip.open)):
            file = os.path.join(path, candidate)
            if os.path.exists(file):
                with opener(file, "rb") as f:
                    return f.read()
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                if os.path.basename(member.name) == name:
                    return tar.extractfile(member).read()
    raise SystemExit(f"error: {path}: holds no {name}")


def _idx(data):
    rank = data[3]
    sizes = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def load(path, part="train"):
    """(images (N, 28, 28) uint8, labels (N) uint8) of `part`: "train" (60,000) or "t10k" (10,000)."""
    return (_idx(_idx_bytes(path, f"{part}-images-idx3-ubyte")),
            _idx(_idx_bytes(path, f"{part}-labels-idx1-ubyte")))


def resize(images, side=32):
    """(N, 28, 28) bytes -> (N, 1, side, side) float64 in 0..1, bilinear, pixel centres at half integers.

    The convention of F.interpolate(mode="bilinear", align_corners=False): output pixel o looks at
    (o + 1/2) * 28 / side - 1/2, held inside the image.
    """
    n = images.shape[1]
    at = np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, n - 1)
    low = np.minimum(at.astype(int), n - 2)
    matrix = np.zeros((side, n))
    matrix[np.arange(side), low] = 1 - (at - low)
    matrix[np.arange(side), low + 1] = at - low
    return (matrix @ (images / 255.0) @ matrix.T)[:, None]
