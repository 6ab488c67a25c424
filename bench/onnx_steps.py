"""Peer: ONNX Runtime's inference, asked for line by line as torch_steps.py is.

Requests:
    {"do": "check", "dump"}                                     the logits, and their difference from the dump's
    {"do": "time", "dump", "batch", "threads", "style", "seconds"}   seconds of each run
    {"do": "about"}

LeNet-5 is built of the dump's weights. style: "run" is session.run, "bound" has input and output bound to memory once,
"sequential" or "parallel" executor after a dash. All graph optimisations are on.
"""

import json
import sys
import time

import dump
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def lenet5(weights, batch):
    """The article's net as an ONNX file's bytes, for a fixed batch: the runtime may plan for it."""
    nodes, x = [], "input"

    def add(op, inputs, **attributes):
        nonlocal x
        out = f"value{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [out], **attributes))
        x = out

    names = iter([n[: -len(".weight")] for n in weights if n.endswith(".weight")])

    def layer(op, **attributes):
        name = next(names)
        add(op, [x, name + ".weight", name + ".bias"], **attributes)

    def tanh():
        add("Tanh", [x])
        add("Mul", [x, "scale"])

    for _ in range(2):
        layer("Conv", kernel_shape=[5, 5])
        tanh()
        add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    add("Flatten", [x])
    for linear in range(3):
        layer("Gemm", transB=1)
        if linear < 2:
            tanh()
    constants = {**weights, "scale": np.float32(1.7159)}
    graph = helper.make_graph(
        nodes, "lenet5", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 1, 32, 32])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString(), x


class Case:
    def __init__(self, path, batch, threads=1, style="run-sequential"):
        call, executor = style.split("-")
        tensors = dump.read(path)
        self.x = np.resize(tensors["input"], (batch, 1, 32, 32))
        model, self.output = lenet5(dump.parameters(tensors), batch)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.execution_mode = (onnxruntime.ExecutionMode.ORT_PARALLEL if executor == "parallel"
                                  else onnxruntime.ExecutionMode.ORT_SEQUENTIAL)
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        if call == "bound":
            self.bound = self.session.io_binding()
            self.value = onnxruntime.OrtValue.ortvalue_from_numpy(self.x)
            self.result = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((batch, 10), np.float32))
            self.bound.bind_ortvalue_input("input", self.value)
            self.bound.bind_ortvalue_output(self.output, self.result)
            inner, bound = self.session._sess, self.bound._iobinding  # without the wrapper's own microseconds
            self.run = lambda: inner.run_with_iobinding(bound, None)
            self.read = self.result.numpy
        else:
            feed = {"input": self.x}
            self.run = lambda: self.session.run(None, feed)
            self.read = lambda: self.run()[0]
        for _ in range(20):
            self.run()

    def times(self, seconds):
        times = []
        start = before = time.perf_counter()
        while before - start < seconds:
            self.run()
            now = time.perf_counter()
            times.append(now - before)
            before = now
        return times


def main():
    cases = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "about":
                answer = {"onnxruntime": onnxruntime.__version__}
            elif request["do"] == "check":
                given = dump.read(request["dump"])
                case = Case(request["dump"], len(given["input"]), style="bound-sequential")
                case.run()
                answer = {"logits": dump.difference(given["logits"], case.read())}
            else:
                key = (request["batch"], request["threads"], request["style"])
                if key not in cases:
                    cases[key] = Case(request["dump"], *key)
                answer = {"times": cases[key].times(request["seconds"])}
        except Exception as error:  # whatever a peer cannot do is said, not hidden
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
