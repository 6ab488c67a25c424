"""Compares the table of docs/onnx.md with the schemas of the Python package onnx, opset by opset:

    python3 tests/onnx/schemas.py docs/onnx.md

Names, numbers of inputs, attributes and their kinds. Run by hand when ONNX has a new opset.
"""
import sys

from onnx import defs

# Attributes that the table leaves out on purpose.
LEFT_OUT = {"Constant": {"sparse_value", "value_string", "value_strings"}}
KINDS = {"INT": "int", "FLOAT": "float", "STRING": "string", "TENSOR": "tensor",
         "INTS": "ints", "FLOATS": "floats", "STRINGS": "strings"}


def rows(path):
    inside = False
    for line in open(path, encoding="utf-8"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if inside and len(cells) < 5:
            return
        if inside and not cells[0].startswith("---"):
            yield cells
        inside = inside or cells[0] == "operator"


def numbers(text, newest):
    words = text.split()
    first = int(words[0])
    return first, (first if len(words) == 1 else int(words[2]) if words[1] == "to" else newest)


wrong = 0
newest = defs.onnx_opset_version()
for name, opsets, inputs, _, attributes in rows(sys.argv[1]):
    first, last = numbers(opsets, newest)
    least, most = numbers(inputs, 2**31 - 1)
    known = dict(word.split() for word in attributes.split(", ") if word)
    for opset in range(first, last + 1):
        try:
            schema = defs.get_schema(name, opset, "")
        except defs.SchemaError:
            print(f"{name}: not in opset {opset}")
            wrong += 1
            break
        there = {a.name: KINDS.get(a.type.name, "other") for a in schema.attributes.values()
                 if a.name not in LEFT_OUT.get(name, set())}
        problems = []
        if schema.deprecated:
            problems.append("deprecated")
        if there != known:
            problems.append(f"attributes {there}, in the table {known}")
        if schema.max_input != most or schema.min_input < least:
            problems.append(f"inputs {schema.min_input} to {schema.max_input}, in the table {least} to {most}")
        if problems:
            print(f"{name}, opset {opset}: " + "; ".join(problems))
            wrong += 1
            break
print(f"{wrong} differences, newest opset {newest}")
sys.exit(wrong > 0)
