"""Twenty pictures of digits that are not MNIST, the way people take them: python make_pictures.py OUT [--seed N]

Writes OUT/NN-DIGIT-KIND.EXT: 03-7-photo.jpg shows a 7. Kinds: 8 like photos
(JPEG; uneven light, lined paper, a turn of 10 degrees, blur), 4 of unusual files (alpha, 16 bit, palette, EXIF turn),
4 white on black, 2 tiny, 2 of 12 megapixels. Every digit occurs twice. Digits are drawn here from their strokes, with
pens, slants and proportions of their own. Needs NumPy and Pillow.

    python make_pictures.py /tmp/pictures && unfold predict /tmp/pictures/* --show
"""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def arc(cx, cy, rx, ry, start, end, n=40):
    """Points of an ellipse's arc; degrees, clockwise from the right (y grows downwards)."""
    t = np.radians(np.linspace(start, end, n))
    return np.stack([cx + rx * np.cos(t), cy + ry * np.sin(t)], axis=1)


def line(*points):
    return np.array(points, dtype=float)


# Strokes of each digit in a box of 1 x 1.5, as a European or an American hand writes them.
DIGITS = {
    0: [[arc(0.5, 0.75, 0.42, 0.7, -90, 270)]],
    1: [[line((0.25, 0.4), (0.55, 0.05), (0.55, 1.45))], [line((0.5, 0.05), (0.5, 1.45))]],
    2: [[np.concatenate([arc(0.5, 0.42, 0.38, 0.38, -170, 40), line((0.1, 1.42), (0.95, 1.42))])]],
    3: [[np.concatenate([arc(0.45, 0.4, 0.38, 0.36, -150, 85), arc(0.45, 1.08, 0.44, 0.36, -85, 150)])]],
    4: [[line((0.65, 0.05), (0.08, 0.95), (0.98, 0.95)), line((0.7, 0.5), (0.7, 1.48))],
        [line((0.15, 0.1), (0.12, 0.8), (0.9, 0.8)), line((0.75, 0.1), (0.75, 1.48))]],
    5: [[line((0.88, 0.06), (0.22, 0.06), (0.16, 0.66)),
         np.concatenate([line((0.16, 0.66)), arc(0.45, 1.0, 0.42, 0.42, -110, 140)])]],
    6: [[np.concatenate([arc(0.9, 0.85, 0.75, 0.82, -110, -180), arc(0.5, 1.05, 0.36, 0.38, 180, 530)])]],
    7: [[line((0.08, 0.08), (0.92, 0.08), (0.4, 1.46))],
        [line((0.08, 0.08), (0.92, 0.08), (0.4, 1.46)), line((0.28, 0.75), (0.82, 0.75))]],
    8: [[np.concatenate([arc(0.5, 0.4, 0.34, 0.34, 80, -270), arc(0.5, 1.1, 0.42, 0.38, -90, 270)])]],
    9: [[np.concatenate([arc(0.47, 0.45, 0.37, 0.4, 0, 360), line((0.84, 0.45), (0.8, 0.9), (0.62, 1.46))])]],
}


def mask(digit, side, random, pen=None, turn=None):
    """Coverage of the ink in [0, 1], (side, side); the digit is some 60 % high."""
    big = side * 2 if side > 400 else max(side * 4, 400)
    image = Image.new("L", (big, big))
    draw = ImageDraw.Draw(image)
    height = big * random.uniform(0.5, 0.65)
    scale = height / 1.5
    pen = (pen or random.uniform(0.05, 0.11)) * height
    slant = random.uniform(-0.05, 0.25)
    angle = np.radians(turn if turn is not None else random.uniform(-5, 5))
    centre = big / 2 + random.uniform(-0.06, 0.06, 2) * big
    strokes = DIGITS[digit][random.integers(len(DIGITS[digit]))]
    for stroke in strokes:
        p = stroke - (0.5, 0.75)
        p = p + random.normal(0, 0.012, 2)
        p = np.stack([(p[:, 0] - slant * p[:, 1]) * scale * random.uniform(0.9, 1.05), p[:, 1] * scale], axis=1)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        p = p @ rotation.T + centre
        draw.line([tuple(q) for q in p], fill=255, width=max(int(pen), 1), joint="curve")
        for q in p:
            r = pen / 2
            draw.ellipse([q[0] - r, q[1] - r, q[0] + r, q[1] + r], fill=255)
    return np.asarray(image.resize((side, side), Image.LANCZOS), dtype=float) / 255


def photo(digit, side, random, lined):
    """Ink on paper under uneven light, turned by up to 10 degrees, slightly blurred, with the sensor's noise."""
    ink = mask(digit, side, random, turn=random.choice([-10, 10]))
    y, x = np.mgrid[0:side, 0:side] / side
    direction = random.uniform(0, 2 * np.pi)
    light = 0.62 + 0.33 * (x * np.cos(direction) + y * np.sin(direction)) / 1.5
    light -= 0.12 * np.exp(-((x - random.uniform()) ** 2 + (y - random.uniform()) ** 2) / 0.05)
    paper = np.full((side, side, 3), (0.97, 0.95, 0.9))
    if lined:
        pitch = side // random.integers(7, 11)
        rows = (np.arange(side) + random.integers(pitch)) % pitch < max(side // 250, 1)
        paper[rows] = (0.62, 0.72, 0.88)
    colour = np.array(random.choice([(0.1, 0.12, 0.35), (0.12, 0.12, 0.13), (0.3, 0.3, 0.32)], axis=0))
    picture = (paper * (1 - ink[..., None]) + colour * ink[..., None]) * light[..., None]
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(side / 500))
    noisy = np.asarray(image, dtype=float) + random.normal(0, 3, (side, side, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(options.seed)
    digits = list(random.permutation(10)) + list(random.permutation(10))
    count = 0

    def save(image, kind, extension, **how):
        nonlocal count
        image.save(options.out / f"{count + 1:02d}-{digits[count]}-{kind}.{extension}", **how)
        count += 1

    for i in range(8):
        save(photo(digits[count], 700, random, lined=i % 2 == 0), "photo", "jpg", quality=80)

    ink = mask(digits[count], 300, random)
    rgba = np.zeros((300, 300, 4), np.uint8)
    rgba[..., 3] = ink * 255
    save(Image.fromarray(rgba), "alpha", "png")
    deep = (65535 * (0.92 - 0.85 * mask(digits[count], 260, random))).astype(np.uint16)
    save(Image.fromarray(deep), "sixteen-bit", "png")
    plain = Image.fromarray((255 - 230 * mask(digits[count], 260, random)).astype(np.uint8))
    save(plain.convert("P", palette=Image.ADAPTIVE, colors=8), "palette", "png")
    turned = photo(digits[count], 600, random, lined=False).transpose(Image.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    save(turned, "exif", "jpg", quality=85, exif=exif)

    for _ in range(4):
        side = int(random.integers(80, 400))
        save(Image.fromarray((255 * mask(digits[count], side, random)).astype(np.uint8)), "white-on-black", "png")
    for side in (20, 28):
        save(Image.fromarray((250 - 230 * mask(digits[count], side, random, pen=0.13)).astype(np.uint8)), "tiny", "png")
    for _ in range(2):
        side = 3464  # 12 megapixels
        save(photo(digits[count], side, random, lined=count % 2 == 0), "large", "jpg", quality=75)
    print(f"{count} pictures in {options.out}")


if __name__ == "__main__":
    main()
