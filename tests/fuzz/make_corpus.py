"""Makes the files that the fuzzers begin with, in corpus/NAME, and some that are measured only, in large/NAME: pip install numpy pillow; onnx's and safetensors' are those
of ../formats/data. Small ones of every kind, and some that claim what they do not hold.
"""
import gzip
import io
import json
import pathlib
import shutil
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
FORMATS = HERE.parent / "formats" / "data"
rng = np.random.default_rng(1)


def put(name, file, content, folder="corpus"):
    path = HERE / folder / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def idx():
    pixels = rng.integers(0, 256, (3, 4, 5), np.uint8).tobytes()
    images, labels = struct.pack(">4I", 0x803, 3, 4, 5) + pixels, struct.pack(">2I", 0x801, 4) + bytes([0, 3, 9, 255])
    packed = gzip.compress(images, mtime=0)
    put("idx", "images", images)
    put("idx", "labels", labels)
    put("idx", "images.gz", packed)
    put("idx", "labels.gz", gzip.compress(labels, mtime=0))
    put("idx", "two-members.gz", gzip.compress(images[:20], mtime=0) + gzip.compress(images[20:], mtime=0))
    put("idx", "cut.gz", packed[:-9])
    put("idx", "bad-checksum.gz", packed[:-8] + b"\1\2\3\4" + packed[-4:])
    put("idx", "cut", images[:30])
    put("idx", "cut-header", images[:11])
    put("idx", "surplus", images + b"x")
    put("idx", "floats", struct.pack(">4I", 0xD03, 1, 1, 1) + b"\0\0\0\0")
    put("idx", "no-images", struct.pack(">4I", 0x803, 0, 4, 5))
    put("idx", "huge", struct.pack(">4I", 0x803, 2**31, 2**16, 2**16) + pixels)
    put("idx", "claims.gz", gzip.compress(struct.pack(">4I", 0x803, 2000, 28, 28) + bytes(1600), mtime=0))
    put("idx", "unpacks-to-40000016-zeros.gz", gzip.compress(struct.pack(">4I", 0x803, 40, 1000, 1000) + bytes(40_000_000), 9, mtime=0), "large")


def cifar():
    pixels = rng.integers(0, 256, 3072, np.uint8).tobytes()
    put("cifar", "ten", bytes([7]) + pixels)
    put("cifar", "hundred", bytes([19, 99]) + pixels)
    put("cifar", "no-class", bytes([100, 100]) + pixels)
    put("cifar", "cut", bytes([1]) + pixels[:500])
    put("cifar", "empty", b"")


def csv():
    put("csv", "kaggle.csv", "label,pixel0,pixel1,pixel2,pixel3\n1,0,255,12,7\n0,1,2,3,4\n2,9,9,9,9\n")
    put("csv", "no-headings.csv", "5,0,1,2,3,4,5,6,7,8\r\n4,255,0,255,0,255,0,255,0,255\r\n\r\n")
    put("csv", "label-last.csv", '\ufeff"a","b","c","d","Label"\n0,0,0,0,3\n 1 , 2 ,"3",4,5\n')
    put("csv", "one-pixel.csv", "0,7")
    put("csv", "seven-of-a-class.csv", "\n".join(["3,1,2,3,4"] * 7))
    for name, text in {"empty": "", "lines": "\n\n\n", "headings-alone": "label,a\n", "no-label": "a,b,c\n1,2,3\n", "no-square": "1,2,3\n",
                       "two-labels": "label,label\n1,2\n", "wide": "1,2\n1,2,3\n", "narrow": "1,2,3,4,5\n1,2\n", "large": "1,256\n",
                       "negative": "-1,5\n", "float": "1,0.5\n", "words": "1,abc\n", "missing": "1,\n", "class-300": "label,a\n300,1\n",
                       "zeros": "\0\0\0,\0\n"}.items():
        put("csv", name + ".csv", text)


def npy():
    for path in FORMATS.glob("*.npy"):
        put("npy", path.name, path.read_bytes())
    for name, x in {"empty": np.zeros((0, 3), "<f4"), "f8": np.array([1e300, -0.0]), "rank8": np.zeros((1,) * 8, "u1"), "i4": np.arange(6, dtype="<i4")}.items():
        file = io.BytesIO()
        np.save(file, x)
        put("npy", name + ".npy", file.getvalue())

    def header(text, magic=b"\x93NUMPY\1\0", data=b""):
        return magic + struct.pack("<H", len(text)) + text.encode() + data

    good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
    for name, content in {"magic": b"\x93NUMPX" + header(good)[6:], "version3": header(good, b"\x93NUMPY\3\0"), "short": header(good)[:8],
                          "cut": header(good, data=bytes(23)), "surplus": header(good, data=bytes(25)), "big-endian": header(good.replace("<", ">"), data=bytes(24)),
                          "huge": header(good.replace("2, 3", "4611686018427387904, 8")), "rank9": header(good.replace("2, 3", "1," * 9)),
                          "no-shape": header("{'descr': '<f4', 'fortran_order': False}"), "twice": header(good[:-1] + "'descr': '<f4'}"),
                          "text": header(good + "x"), "no-brace": header("descr"), "quote": header("{'descr"), "none": header("{'descr': '<f4', 'fortran_order': None}"),
                          "size": header(good.replace("2, 3", "-2,")), "colon": header("{'descr' '<f4'}"), "truth": header(good.replace("<f4", "|b1"), data=bytes([0, 1, 2, 0, 0, 0])),
                          "long-header": b"\x93NUMPY\2\0\xff\xff\xff\x7f{"}.items():
        put("npy", name + ".npy", content)


def npz():
    def archive(arrays, compressed=False):
        file = io.BytesIO()
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
        return file.getvalue()

    def pixels(*shape):
        return rng.integers(0, 256, shape, np.uint8)

    keras = {"x_train": pixels(7, 2, 3), "y_train": np.arange(7, dtype="u1") % 3, "x_test": pixels(2, 2, 3), "y_test": np.array([2, 0], "u1")}
    put("npz", "keras.npz", archive(keras))
    put("npz", "keras-compressed.npz", archive(keras, True))
    put("npz", "medmnist.npz", archive({f"{part}_{what}": pixels(3, 2, 2, 3) if what == "images" else np.array([[0], [1], [0]], "<i8")
                                        for part in ("train", "val", "test") for what in ("images", "labels")}))
    put("npz", "floats.npz", archive({"x": rng.random((8, 9), np.float32), "y": np.zeros(8, "<i4")}))
    put("npz", "channels-first.npz", archive({"images": rng.random((6, 3, 2, 5)), "labels": np.zeros(6, "u1")}, True))
    put("npz", "whole.npz", archive({"data": rng.integers(0, 256, (6, 2, 2), np.int64), "labels": np.zeros(6, "?")}))
    put("npz", "truth.npz", archive({"X": pixels(6, 2, 2) > 99, "y": np.zeros(6, "<i8")}))
    for name, arrays in {"no-test-images": {"x_train": pixels(2, 2, 2), "y_train": np.zeros(2, "u1")}, "unknown": {"a": np.zeros(3)},
                         "no-labels": {"x": pixels(2, 2, 2)}, "real-labels": {"x": pixels(2, 2, 2), "y": np.zeros(2)},
                         "few-labels": {"x": pixels(3, 2, 2), "y": np.zeros(2, "u1")}, "large": {"x": np.full((2, 2, 2), 300), "y": np.zeros(2, "u1")},
                         "nan": {"x": np.full((2, 4), np.nan), "y": np.zeros(2, "u1")}, "shape": {"x": pixels(2, 3), "y": np.zeros(2, "u1")},
                         "label-256": {"x": pixels(2, 4), "y": np.array([1, 256])}, "two-sizes": {**keras, "x_test": pixels(2, 3, 2)},
                         "unknown-class": {**keras, "y_test": np.array([9, 0], "u1")}, "five-channels": {"x": pixels(2, 2, 2, 5), "y": np.zeros(2, "u1")},
                         "val-without-test": {"x_train": pixels(6, 4), "y_train": np.zeros(6, "u1"), "x_val": pixels(6, 4), "y_val": np.zeros(6, "u1")},
                         "no-pixels": {"x": np.zeros((2, 0, 3), "u1"), "y": np.zeros(2, "u1")}}.items():
        put("npz", name + ".npz", archive(arrays))
    whole = archive(keras, True)
    end = whole.rindex(b"PK\5\6")
    directory = whole.index(b"PK\1\2")

    def patched(at, content):
        return whole[:at] + content + whole[at + len(content):]

    for name, content in {"cut": whole[:-3], "short": b"PK\3\4", "parts": patched(end + 4, b"\1\0"), "count": patched(end + 10, b"\3\0"),
                          "zip64": patched(end + 8, b"\xff\xff\xff\xff"), "directory": patched(end + 16, b"\xff\xff\xff\0"), "signature": patched(directory, b"XX"),
                          "long-name": patched(directory + 28, b"\xff\xff"), "encrypted": patched(directory + 8, b"\1"), "bzip2": patched(directory + 10, b"\14"),
                          "outside": patched(directory + 42, b"\xff\xff\0"), "not-there": patched(directory + 42, b"\1"), "past-the-end": patched(directory + 20, b"\xff\xff"),
                          "claims": patched(directory + 24, b"\xff\xff\xff\xff"), "claims-little": patched(directory + 24, b"\1\0\0\0"),
                          "claims-more": patched(directory + 24, struct.pack("<I", struct.unpack("<I", whole[directory + 24:directory + 28])[0] + 9)),
                          "checksum": patched(directory + 16, b"\0\0\0\0"), "damaged": patched(60, b"\xff" * 9)}.items():
        put("npz", name + ".npz", content)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        big = io.BytesIO()
        np.save(big, np.zeros((20, 1000, 1000), "u1"))
        z.writestr(zipfile.ZipInfo("x.npy"), big.getvalue(), zipfile.ZIP_DEFLATED)
    put("npz", "unpacks-to-20000128-zeros.npz", file.getvalue(), "large")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        for _ in range(2):
            z.writestr(zipfile.ZipInfo("x.npy"), b"")
    put("npz", "one-name.npz", file.getvalue())


def model():
    layer = lambda name, kind, reads, **attributes: {"name": name, "type": kind, "inputs": reads, "attributes": attributes}
    square = lambda k, **more: {"kernel_shape": [k, k], "strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], **more}

    def described(layers, size=(1, 6, 6), classes=2):
        return {"name": "n", "trained_on": "", "input": list(size), "layers": layers, "classes": [str(i) for i in range(classes)],
                "preprocessing": {"image": [5, 5], "fit": "pad", "output": list(size[1:]), "mean": 0.1, "std": [0.3] * size[0], "picture": "none"}}

    conv = layer("c", "Conv2d", [0], **square(3, out_channels=[2], groups=[1], bias=[1]))
    head = lambda at: [layer("f", "Flatten", [at]), layer("fc", "Linear", [at + 1], out_features=[2], bias=[1])]
    nets = {"conv": [conv] + head(1),
            "pools": [layer("a", "AvgPool2d", [0], **square(2, count_include_pad=[1], ceil_mode=[0])),
                      layer("m", "MaxPool2d", [1], **square(2, ceil_mode=[1])), layer("g", "AdaptiveAvgPool2d", [2], output_size=[1, 1])] + head(3),
            "elementwise": [layer("t", "Tanh", [0], scale=[1.5]), layer("r", "Relu", [1]), layer("l", "LeakyRelu", [2], alpha=[0.1]), layer("e", "Elu", [3], alpha=[1]),
                            layer("hs", "HardSigmoid", [4], alpha=[0.2], beta=[0.5]), layer("hw", "HardSwish", [5]), layer("s", "Silu", [6]), layer("sp", "Softplus", [7]),
                            layer("cl", "Clip", [8], min=[0], max=[6]), layer("sg", "Sigmoid", [9])] + head(10),
            "joins": [conv, layer("b", "BatchNorm", [1], eps=[1e-5], momentum=[0.1]), layer("add", "Add", [1, 2]), layer("mul", "Mul", [3, 2]),
                      layer("cat", "Concat", [4, 3], inputs=[2], axis=[0]), layer("n", "LocalResponseNorm", [5], size=[5], alpha=[1e-4], beta=[0.75], k=[1]),
                      layer("d", "Dropout", [6], p=[0.5])] + head(7)}
    for name, layers in nets.items():
        put("model", name + ".json", json.dumps(described(layers)))
    text = json.dumps(described(nets["conv"]))
    for name, content in {"cut": text[:-9], "input-9": text.replace('"inputs": [0]', '"inputs": [9]'), "type": text.replace("Conv2d", "Conv9d"),
                          "huge": text.replace('"out_channels": [2]', '"out_channels": [2000000000]'), "nan": text.replace("0.1", "NaN"),
                          "negative": text.replace('"strides": [1, 1]', '"strides": [-1, 1]'), "fit": text.replace('"pad"', '"best"'), "deep": "{" + '"a":[' * 500,
                          "std": text.replace("[0.3]", "[]"), "many-weights": text.replace('"out_features": [2]', '"out_features": [200000]'),
                          "zero-std": text.replace("0.3", "0"), "input-4e66": text.replace('"inputs": [0]', '"inputs": [4e66]'), "no-classes": text.replace('["0", "1"]', "[]"), "name": text.replace('"n"', "7")}.items():
        put("model", name + ".json", content)
    shutil.copy(FORMATS / "tiny_model.safetensors", HERE / "corpus" / "model")
    for path in FORMATS.glob("*.safetensors"):
        put("safetensors", path.name, path.read_bytes())
    for path in FORMATS.glob("*.onnx"):
        put("onnx", path.name, path.read_bytes())
    put("safetensors", "empty.safetensors", struct.pack("<Q", 2) + b"{}")
    put("safetensors", "long.safetensors", struct.pack("<Q", 2**62) + b"{}")
    put("safetensors", "overlap.safetensors",
        (lambda h: struct.pack("<Q", len(h)) + h + bytes(8))(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'))


def image():
    grey, colour = rng.integers(0, 256, (6, 7), np.uint8), rng.integers(0, 256, (9, 8, 3), np.uint8)
    alpha = rng.integers(0, 256, (5, 6, 4), np.uint8)

    def saved(pixels, form, mode=None, **options):
        file = io.BytesIO()
        picture = Image.fromarray(pixels)
        (picture.convert(mode) if mode else picture).save(file, form, **options)
        return file.getvalue()

    exif = Image.Exif()
    exif[0x112] = 6
    put("image", "grey.png", saved(grey, "PNG"))
    put("image", "colour.png", saved(colour, "PNG"))
    put("image", "alpha.png", saved(alpha, "PNG"))
    put("image", "grey-alpha.png", saved(alpha, "PNG", "LA"))
    put("image", "palette.png", saved(colour, "PNG", "P"))
    put("image", "transparent.png", saved(colour, "PNG", "P", transparency=0))
    put("image", "bits.png", saved(grey, "PNG", "1"))
    put("image", "deep.png", saved(grey.astype("u2") * 257, "PNG"))
    put("image", "turned.png", saved(colour, "PNG", exif=exif))
    put("image", "colour.jpg", saved(colour, "JPEG"))
    put("image", "grey.jpg", saved(grey, "JPEG"))
    put("image", "inks.jpg", saved(alpha, "JPEG", "CMYK"))
    put("image", "progressive.jpg", saved(colour, "JPEG", progressive=True))
    put("image", "turned.jpg", saved(colour, "JPEG", exif=exif, subsampling=0))
    put("image", "grey.pgm", saved(grey, "PPM"))
    put("image", "colour.ppm", saved(colour, "PPM"))
    put("image", "text.pgm", "P2 # words\n3 2\n9\n0 1 2\n3 4 9\n")
    put("image", "text.ppm", "P3\n1 1\n255\n1 2 3\n")
    put("image", "deep.ppm", b"P6 1 1 65535\n" + bytes([1, 2, 3, 4, 5, 6]))
    put("image", "colour.bmp", saved(colour, "BMP"))
    put("image", "palette.bmp", saved(colour, "BMP", "P"))
    put("image", "bits.bmp", saved(grey, "BMP", "1"))
    put("image", "alpha.bmp", saved(alpha, "BMP"))
    core = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + struct.pack("<IHHHH", 12, 2, 2, 1, 24) + bytes(range(16))
    put("image", "core.bmp", core)
    put("image", "top-down.bmp", b"BM" + struct.pack("<IHHI", 0, 0, 0, 70) + struct.pack("<IiiHHIIiiII4I", 56, 2, -1, 1, 32, 3, 0, 0, 0, 0, 0, 255, 65280, 16711680, 4278190080) + bytes(range(8)))
    put("image", "compressed.bmp", saved(colour, "BMP", "P")[:30] + b"\1" + saved(colour, "BMP", "P")[31:])
    put("image", "huge.bmp", b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0))
    jpeg = saved(colour, "JPEG")
    sof = jpeg.index(b"\xff\xc0")
    put("image", "huge.jpg", jpeg[:sof + 5] + struct.pack(">HH", 8000, 8000) + jpeg[sof + 9:])
    put("image", "cut.jpg", jpeg[:-40])
    white = Image.new("L", (7000, 7000), 255)
    for name, form, options in (("white.jpg", "JPEG", {"optimize": True}), ("white-progressive.jpg", "JPEG", {"progressive": True, "quality": 5})):
        file = io.BytesIO()
        white.resize((3000, 3000)).save(file, form, **options)
        put("image", name, file.getvalue(), "large")

    def png(width, height, bits, kind, rows, interlace=0, extra=b""):
        chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlace)) + extra
                + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))

    put("image", "interlaced.png", png(3, 2, 8, 0, b"\0\1\0\2\0\3\0\4\0\5\6\0\7\10", 1))
    put("image", "black-large.png", png(7000, 7000, 1, 0, bytes(876 * 7000)), "large")
    put("image", "claims.png", png(8000, 8000, 8, 6, bytes(100)))
    put("image", "claims-exif.png", png(2, 1, 8, 0, b"\0\1\2", extra=b"\x7e\0\0\x1aeXIfMM\0*"))
    put("image", "no-pixels.png", png(0, 1, 8, 0, b"\0"))
    for name, magic in {"gif": b"GIF89a", "webp": b"RIFF\0\0\0\0WEBP", "tiff": b"II*\0", "svg": b"<svg>", "heic": b"\0\0\0\0ftypheic", "words": b"words", "empty": b""}.items():
        put("image", "no." + name, magic)


for make in (idx, cifar, csv, npy, npz, model, image):
    make()
