"""What `unfold bench --dump` wrote: a safetensors file, read with NumPy alone (Debian's PyTorch comes without the library)."""

import json

import numpy as np

DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "U8": np.uint8}


def read(path):
    """{name: array}, in the order of the file, which is that of the network."""
    raw = np.memmap(path, np.uint8, mode="r")
    length = int(raw[:8].view("<u8")[0])
    header = json.loads(raw[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    data = raw[8 + length :]
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end].tobytes(), DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def parameters(tensors):
    """The network's own tensors, without what a step was given and what it computed."""
    given = ("input", "labels", "logits", "loss")
    return {n: t for n, t in tensors.items() if n not in given and not n.startswith("gradient.")}


def difference(a, b):
    """Largest difference, as a part of the largest value of the second."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
