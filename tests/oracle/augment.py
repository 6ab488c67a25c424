"""What torchvision makes of small images, in float64, given what was drawn: affine maps, elastic displacements, parts
made large, colours changed.

    python tests/oracle/augment.py       writes values/augment.safetensors

Images are not recorded: whole numbers 0 to 255 from numbers() of torch_values.py, with the case's number as the key.
"""

import os

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from safetensors.numpy import save_file

from torch_values import numbers

HERE = os.path.dirname(os.path.abspath(__file__))
BILINEAR = T.InterpolationMode.BILINEAR

# channels, h, w, degrees, dy, dx, scale, shear
AFFINE = [(3, 9, 7, 0, 0, 0, 1, 0), (3, 9, 7, 15, 0, 0, 1, 0), (1, 12, 10, -33.5, 2, -1, 1, 0),
          (1, 12, 10, 0, 3, 2, 0.8, 0), (3, 7, 9, 10, -1, 2, 1.3, 12.5), (1, 8, 8, 180, 0, 0, 1, 0),
          (1, 8, 8, 90, 0, 0, 1, -20), (2, 5, 6, 7, 0, 4, 0.25, 70), (1, 1, 6, 30, 0, 1, 1, 0)]
# channels, h, w, alpha, sigma; noise: numbers((2, h, w), 100 + case), dy first
ELASTIC = [(1, 28, 28, 50, 5), (3, 9, 7, 30, 1.0), (1, 12, 10, 120, 1.4), (2, 6, 6, 20, 0.5)]
# channels, h, w, top, left, part_h, part_w
PARTS = [(3, 9, 7, 0, 0, 9, 7), (3, 9, 7, 2, 1, 4, 3), (1, 12, 10, 11, 9, 1, 1), (1, 12, 10, 3, 0, 9, 2), (2, 8, 8, 1, 1, 7, 7)]
# kind (0 brightness, 1 contrast, 2 saturation, 3 hue), channels, h, w, factor
COLOURS = [(0, 3, 6, 5, 0.6), (0, 3, 6, 5, 1.7), (0, 1, 4, 4, 0), (1, 3, 6, 5, 0.4), (1, 3, 6, 5, 1.9), (1, 1, 6, 5, 1.5),
           (2, 3, 6, 5, 0), (2, 3, 6, 5, 0.5), (2, 3, 6, 5, 2), (3, 3, 8, 8, 0.1), (3, 3, 8, 8, -0.35), (3, 3, 8, 8, 0.5)]
ADJUST = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]


def image(shape, key):
    return torch.floor((numbers(shape, key) + 1) * 128)


def main():
    out = {}

    def record(what, cases, values):
        out[f"{what}.cases"] = np.array(cases, np.float64)
        for k, case in enumerate(cases):
            for name, value in values(k, *case).items():
                out[f"{what}.{k}.{name}"] = np.ascontiguousarray(value.numpy())

    def affine(k, c, h, w, degrees, dy, dx, scale, shear):
        y = F.affine(image((1, c, h, w), k), degrees, [dx, dy], scale, [shear, 0.0], BILINEAR, fill=None)
        return {"y": y[0]}

    def elastic(k, c, h, w, alpha, sigma):
        kernel = int(8 * sigma + 1) // 2 * 2 + 1
        noise = numbers((2, h, w), 100 + k)
        pad = kernel // 2  # beyond the image by more than its side: torch mirrors once, we go on
        fields = [F.gaussian_blur(n[None], [kernel, kernel], [sigma, sigma])[0] for n in noise] if pad < min(h, w) else [
            F.gaussian_blur(torch.from_numpy(np.pad(n.numpy(), pad, "reflect"))[None], [kernel, kernel], [sigma, sigma])[
                0, pad:-pad, pad:-pad] for n in noise]
        displacement = torch.stack([fields[1] * alpha / w, fields[0] * alpha / h], -1)[None]
        y = F.elastic_transform(image((1, c, h, w), k), displacement, BILINEAR, fill=None)
        return {"field": torch.stack(fields), "y": y[0]}

    def part(k, c, h, w, top, left, part_h, part_w):
        return {"y": F.resized_crop(image((1, c, h, w), k), top, left, part_h, part_w, [h, w], BILINEAR)[0]}

    def colour(k, kind, c, h, w, factor):
        return {"y": ADJUST[kind](image((1, c, h, w), k) / 255, factor)[0] * 255}

    record("affine", AFFINE, affine)
    record("elastic", ELASTIC, elastic)
    record("part", PARTS, part)
    record("colour", COLOURS, colour)
    save_file(out, os.path.join(HERE, "values", "augment.safetensors"))


if __name__ == "__main__":
    main()
