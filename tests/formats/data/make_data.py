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

# An ONNX model with a tensor or attribute of each kind that is read, and one of a kind that is not.
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  (pip install onnx==1.23.2)

onnx_model = helper.make_model(
    helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["y"], name="first", pads=[1, 1, 1, 1], auto_pad="NOTSET"),
            helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(np.array([0, -1]))),
            helper.make_node("LeakyRelu", ["y"], ["z"], alpha=0.25),
            helper.make_node("Mystery", ["z", "", "shape"], ["out"], domain="org.example", ratios=[0.5, 2.0], words=["a", "b"], axis=-1),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.arange(18, dtype="<f4").reshape(2, 1, 3, 3), "w"),
            helper.make_tensor("b", TensorProto.FLOAT, [2], [0.5, -1.5]),
            helper.make_tensor("half", TensorProto.FLOAT16, [3], [1.0, -2.0, 0.5]),
            helper.make_tensor("double", TensorProto.DOUBLE, [1], [0.1]),
            helper.make_tensor("whole", TensorProto.INT32, [2], [-7, 8]),
            helper.make_tensor("truth", TensorProto.BOOL, [2], [True, False]),
            helper.make_tensor("bytes", TensorProto.UINT8, [2], [0, 255]),
            helper.make_tensor("long", TensorProto.INT64, [2], [-1, 2**40]),
            helper.make_tensor("small", TensorProto.INT8, [1], [-3]),
        ],
    ),
    producer_name="make_data",
    opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("org.example", 3)],
    ir_version=8,
)
(here / "tiny.onnx").write_bytes(onnx_model.SerializeToString())
