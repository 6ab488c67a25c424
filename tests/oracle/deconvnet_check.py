"""The DeconvNet of a trained zfnet-small against PyTorch's, in float64, for the units that a picture excites most.

    python tests/oracle/deconvnet_check.py DECONVNET_OUTPUTS RUN/best.safetensors PICTURE...

DECONVNET_OUTPUTS is the program of deconvnet_outputs.cpp. Prints the largest difference beside the largest value of each
picture's 16 units in the fifth convolution's ReLU, and fails above 1e-4 of it.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import torch_models
from explain import DeconvRelu


def main():
    program, model, *pictures = sys.argv[1:]
    _, make = torch_models.networks()["zfnet-small"]
    net = make()
    net.load_state_dict(load_file(model))
    net.double()
    worst = 0.0
    for picture in pictures:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([program, model, picture, "relu5", folder], check=True)
            x, units, ours = (np.load(os.path.join(folder, f"{n}.npy")) for n in ("input", "units", "pixels"))
        x = torch.from_numpy(x).double()[None].requires_grad_()
        value, relus = x, 0
        for layer in net.order:
            value = DeconvRelu.apply(value) if layer is F.relu else layer(value)
            relus += layer is F.relu
            if relus == 5:
                break
        off = 0.0
        for (unit, row, column), pixels in zip(units, ours):
            assert (row, column) == np.unravel_index(int(value[0, unit].argmax()), value.shape[2:])
            alone = torch.zeros_like(value)
            alone[0, unit, row, column] = value[0, unit, row, column]
            theirs = torch.autograd.grad(value, x, alone, retain_graph=True)[0][0].numpy()
            off = max(off, np.abs(pixels - theirs).max() / np.abs(theirs).max())
        print(f"{picture}: {len(units)} units, largest difference {off:.1e} of the largest value")
        worst = max(worst, off) if off == off else np.inf
    return not worst <= 1e-4


if __name__ == "__main__":
    sys.exit(main())
