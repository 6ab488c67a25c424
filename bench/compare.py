"""LeNet-5 training, our engines against their peers, interleaved: python compare.py --program unfold --data MNIST_DIR

Each round runs every contender once, one after the other, so that a machine whose speed drifts treats all alike. All train
the article's network on the same 50,000 images with batch 100 and Adam; naive and the NumPy program on a part of them.
Prints seconds per epoch (fastest and median of the rounds) and ratios as a Markdown table. Needs NumPy and PyTorch.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
EPOCH = 50000
PART = 1000  # images for the slow ones


def first_images(data, work):
    """A directory with the first PART images and labels of each half of an IDX data set."""
    folder = pathlib.Path(work) / "part"
    folder.mkdir(exist_ok=True)
    for half in ("train", "t10k"):
        for kind, header, size in (("images-idx3-ubyte", 16, 784), ("labels-idx1-ubyte", 8, 1)):
            raw = (pathlib.Path(data) / f"{half}-{kind}").read_bytes()[: header + PART * size]
            (folder / f"{half}-{kind}").write_bytes(raw[:4] + PART.to_bytes(4, "big") + raw[8:])
    return str(folder)


def unfold(program, data, engine, threads, work):
    """Seconds per epoch by the program's own metrics.csv: training, shuffle and gather included."""
    part = engine == "naive"
    if part:
        data = first_images(data, work)
    out = pathlib.Path(tempfile.mkdtemp(dir=work))
    command = [program, "train", "--model", "lenet5-article", "--engine", engine, "--threads", str(threads), "--data", data,
               "--out", str(out), "--progress", "none", "-q", "--epochs", "1"]
    if part:
        command += ["--val-split", "0"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(out / "metrics.csv") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return min(seconds) * (EPOCH / PART if part else 1)


def peer(script, data, *options):
    """Seconds per epoch from the median step of a peer's JSON line."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
        environment["ATEN_CPU_CAPABILITY"] = "avx512"  # not PyTorch's default, even where the processor has it
    output = subprocess.run([sys.executable, str(HERE / script), "--data", data, *options], check=True, env=environment,
                            capture_output=True, text=True).stdout
    record = json.loads(output.strip().splitlines()[-1])
    return statistics.median(record["step_ms"]) / 1e3 * EPOCH / 100


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = options.data
    with tempfile.TemporaryDirectory() as work:
        contenders = {
            "unfold fast, 2 threads": lambda: unfold(options.program, data, "fast", 2, work),
            "unfold fast, 1 thread": lambda: unfold(options.program, data, "fast", 1, work),
            "unfold im2col, 2 threads": lambda: unfold(options.program, data, "im2col", 2, work),
            "unfold im2col, 1 thread": lambda: unfold(options.program, data, "im2col", 1, work),
            "unfold naive, 2 threads": lambda: unfold(options.program, data, "naive", 2, work),
            "article's NumPy program": lambda: peer("article_numpy.py", data, "--steps", "6"),
        }
        for threads in (1, 2):
            for flags in ((), ("--fused",), ("--fused", "--channels-last")):
                name = f"PyTorch, {threads} thread{'s' * (threads > 1)} " + " ".join(f[2:] for f in flags)
                contenders[name.strip()] = lambda t=threads, f=flags: peer(
                    "lenet5_torch.py", data, "--threads", str(t), "--steps", "100", "--epochs", "2", *f)
        times = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, run in contenders.items():
                times[name].append(run())
    base = min(times["article's NumPy program"])
    torch = min(min(t) for name, t in times.items() if name.startswith("PyTorch"))
    print("| LeNet-5, 50,000 images, batch 100, Adam | s/epoch, fastest | median | NumPy / it | best PyTorch / it |")
    print("|---|---|---|---|---|")
    for name, t in sorted(times.items(), key=lambda item: min(item[1])):
        print(f"| {name} | {min(t):.2f} | {statistics.median(t):.2f} | {base / min(t):.1f} | {torch / min(t):.2f} |")


if __name__ == "__main__":
    main()
