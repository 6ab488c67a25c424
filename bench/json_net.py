"""A network of Unfold's JSON layer list (docs/models.md) in PyTorch: the types and settings have PyTorch's names."""

import json
import pathlib

import torch
from torch import nn

ALSO_LAZY = {"Conv2d", "Linear", "BatchNorm2d"}  # their inputs' sizes follow from the layer before


class JsonNet(nn.Module):
    def __init__(self, path):
        super().__init__()
        lines = pathlib.Path(path).read_text().splitlines()
        net = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
        self.layers = []  # (name, type, inputs, module)
        before, counts = "input", {}
        for layer in net["layers"]:
            settings = {k: net["classes"] if v == "classes" else v for k, v in layer.items()}
            kind = settings.pop("type")
            counts[kind] = counts.get(kind, 0) + 1
            name = settings.pop("name", f"{kind.lower()}{counts[kind]}")
            inputs = settings.pop("inputs", before)
            module = None
            if kind != "Add":
                module = getattr(nn, "Lazy" + kind if kind in ALSO_LAZY else kind)(**settings)
                self.add_path(name, module)
            self.layers.append((name, kind, [inputs] if isinstance(inputs, str) else inputs, module))
            before = name
        self.eval()(torch.zeros(1, *net["input"]))

    def add_path(self, name, module):
        """'block1.conv1' is conv1 of a module block1, so that a state_dict has our names."""
        *path, last = name.split(".")
        parent = self
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = getattr(parent, part)
        parent.add_module(last, module)

    def forward(self, x):
        values = {"input": x}
        for name, kind, inputs, module in self.layers:
            taken = [values[i] for i in inputs]
            x = values[name] = taken[0] + taken[1] if kind == "Add" else module(*taken)
        return x
