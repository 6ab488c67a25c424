"""The steps of training that bench_course took, in PyTorch: losses side by side, and the time of a step.

    build/bench/bench_course vgg11_bn-small CIFAR_FOLDER 200 128 0.02 course.safetensors
    python bench/course_torch.py course.safetensors [--threads 2] [--double]
"""

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np
import torch
from safetensors import safe_open

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "oracle"))
import json_net  # noqa: E402
import torch_models  # noqa: E402


def load(path):
    """The network with the weights the course began with, what the course holds, and its metadata."""
    with safe_open(path, "np") as f:
        course = {k.split(".", 1)[1]: f.get_tensor(k) for k in f.keys() if k.startswith("course.")}
        weights = {k: torch.from_numpy(f.get_tensor(k)) for k in f.keys() if not k.startswith("course.")}
        about = f.metadata()
    name = about["model"]
    net = json_net.JsonNet(name) if name.endswith(".json") else torch_models.networks()[name][1]()
    missing, unexpected = net.load_state_dict(weights, strict=False)
    assert not unexpected and all("num_batches" in m for m in missing), (missing, unexpected)
    return net, course, about


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="fewer than there are")
    parser.add_argument("--double", action="store_true", help="in float64: what rounding alone makes of the course")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    net, course, about = load(options.file)
    batch, rate = int(about["batch"]), float(about["rate"])
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    dtype = torch.float64 if options.double else torch.float32
    net = net.to(dtype).to(memory_format=torch.channels_last).train()
    sgd = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9, fused=not options.double)
    mean, std = (torch.tensor(course[k]).reshape(1, -1, 1, 1) for k in ("mean", "std"))

    ours, theirs, seconds = course["losses"], [], []
    for step in range(options.steps or len(ours)):
        here = slice(step * batch, (step + 1) * batch)
        x = ((torch.from_numpy(course["images"][here]).double() / 255 - mean) / std).to(dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        labels = torch.from_numpy(course["labels"][here].astype(np.int64))
        begin = time.perf_counter()
        sgd.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        sgd.step()
        theirs.append(loss.item())
        seconds.append(time.perf_counter() - begin)
        if step < 12 or step % 20 == 19:
            print(f"step {step + 1:4}  ours {ours[step]:.6f}  PyTorch {theirs[step]:.6f}", flush=True)
    off = np.abs(ours[:len(theirs)] - np.array(theirs))
    for last in (10, 50, 100, 200):
        if last <= len(off):
            print(f"largest difference of the first {last} losses: {off[:last].max():.2e}")
    print(f"a step: ours {1e3 * min(course['seconds']):.1f} ms ({1e3 * statistics.median(course['seconds']):.1f}), "
          f"PyTorch {1e3 * min(seconds):.1f} ms ({1e3 * statistics.median(seconds):.1f}), fastest (median), not in turns")


if __name__ == "__main__":
    main()
