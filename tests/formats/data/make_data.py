#!/usr/bin/env python3
"""Makes the files of this folder with the formats' own libraries: pip install numpy==2.4.6 safetensors==0.8.0

The tests hold the same values as literals, so that no Python is needed to run them.
"""
import pathlib

import numpy as np
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
x = np.arange(6, dtype="<f4").reshape(2, 3) / 4 - 0.5

save_file(
    {
        "weight": x,
        "bias": np.array([1.5, -2.25], "<f8"),
        "labels": np.array([-1, 2**40], "<i8"),
        "steps": np.array([[7], [-8]], "<i4"),
        "pixels": np.array([0, 127, 255], "u1"),
        "mask": np.array([True, False, True]),
        "half": np.array([1.0, -0.5], "<f2"),
        "nothing": np.zeros((0, 4), "<f4"),
        "scalar": np.array(3.25, "<f4"),
    },
    here / "python.safetensors",
    metadata={"format": "np", "note": "gr\u00fc\u00df \"quoted\" \\ \n"},
)

np.save(here / "c_order_f4.npy", x)
np.save(here / "fortran_f8.npy", np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)))
np.save(here / "bool_1d.npy", np.array([True, False, True]))
np.save(here / "scalar_i8.npy", np.array(-5, "<i8"))
with open(here / "version2_i4.npy", "wb") as f:
    np.lib.format.write_array(f, np.array([[1, -2], [3, -4]], "<i4"), version=(2, 0))
