#!/bin/sh
# Exported models under the onnx package's checker and in ONNX Runtime. Python's packages come into a folder of the
# build; where they cannot be had, nothing is run.
cd "$(dirname "$0")/../.." || exit 1
venv=build/onnx-python
if [ ! -x $venv/bin/python ] || ! $venv/bin/python -c 'import onnx, onnxruntime, numpy' 2>/dev/null; then
  { python3 -m venv $venv && $venv/bin/pip install --quiet onnx onnxruntime numpy; } ||
    { echo "not run: no onnx and onnxruntime here (python3-venv, and a package index that pip reaches)"; exit 0; }
fi
cmake --build build --target unfold model_outputs || exit 1
exec $venv/bin/python tests/oracle/onnx_export_check.py build/unfold build/tests/model_outputs "$@"
