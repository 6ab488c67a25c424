#!/usr/bin/env python3
"""What `unfold export --onnx` writes, seen by others: the onnx package's checker, and ONNX Runtime against ours.

    onnx_export_check.py UNFOLD MODEL_OUTPUTS [MODEL ...]

UNFOLD is the program, MODEL_OUTPUTS the one of model_outputs.cpp, MODEL a model file or the name of a network, which then
has random weights. Each model is exported plain, with --preprocess and with --softmax. Prints the relative L2 error of
ONNX Runtime's outputs against ours (`--numerics exact`), and fails above 1e-5, or at the checker's first complaint.
Wants onnx, onnxruntime and NumPy; scripts/full/onnx.sh brings them.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

BOUND = 1e-5
MODELS = ["lenet5", "lenet5-article", "alexnet", "alexnet-original", "zfnet", "vgg16", "vgg11_bn-small", "resnet18",
          "resnet50", "mobilenet_v2", "squeezenet1_0", "squeezenet1_1"]
SEED = "7"


def run(path, x):
    onnx.checker.check_model(path, full_check=True)  # by path: files may be larger than a message in memory
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2  # its warnings are seen
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (node,) = session.get_inputs()
    outputs = [session.run(None, {node.name: part})[0] for part in (x, x[:1])]
    assert outputs[0].shape[0] == len(x) and outputs[1].shape[0] == 1, "the batch is not open"
    return outputs[0]


def relative(got, want):
    got, want = got.astype(np.float64), want.astype(np.float64)
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def main():
    unfold, outputs, *models = sys.argv[1:]
    print(f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}; relative L2 errors, at most {BOUND}")
    print(f"{'model':<24} {'opset':>5} {'logits':>9} {'--preprocess':>13} {'--softmax':>10}")
    bad = 0
    for model in models or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([outputs, model, SEED, folder], check=True)
            pixels, x, logits = (np.load(os.path.join(folder, f"{n}.npy")) for n in ("pixels", "input", "logits"))
            seed = [] if os.path.exists(model) else ["--seed", SEED]
            path = os.path.join(folder, "net.onnx")

            def exported(given, *flags):
                subprocess.run([unfold, "export", model, *seed, "--onnx", path, *flags], check=True, stdout=subprocess.DEVNULL)
                return run(path, given)

            theirs = exported(x)
            # Probabilities are as far apart as logits differ, not as they differ beside their size: theirs are compared.
            errors = [relative(theirs, logits), relative(exported(pixels, "--preprocess"), logits),
                      relative(exported(x, "--softmax"), softmax(theirs))]
            opset = onnx.load(path, load_external_data=False).opset_import[0].version
            print(f"{model:<24} {opset:>5} {errors[0]:>9.1e} {errors[1]:>13.1e} {errors[2]:>10.1e}", flush=True)
            bad += sum(not error <= BOUND for error in errors)
    print("all agree" if bad == 0 else f"{bad} do not agree")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
