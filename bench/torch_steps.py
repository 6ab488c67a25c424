"""Peer: PyTorch's steps, asked for line by line, so that one warm process takes its turn in every round.

    echo '{"do": "time", "net": "lenet5-article", "batch": 100, "seconds": 1}' | python torch_steps.py --threads 2

A line of JSON in, a line of JSON out. Requests:
    {"do": "check", "net", "dump", "layout"}       differences from a step that `unfold bench --dump` wrote: see check()
    {"do": "time", "net", "batch", "training", "layout": "nchw" | "nhwc", "compile": bool, "images", "seconds"}
                                                   seconds of each step; the first request of a case warms it up
    {"do": "about"}                                versions and settings
An error comes back as {"error": text}. Denormals are flushed; the optimizer is fused where this PyTorch has that.
"""

import argparse
import json
import sys
import time

import dump
import numpy as np
import torch
import torch.nn.functional as F
import torch_nets

NHWC = torch.channels_last


def optimizer_for(name, parameters):
    """Adam for LeNet-5, SGD with momentum for the wide networks; rates too small to lead anywhere."""
    kind, settings = (torch.optim.Adam, {"lr": 1e-6}) if "lenet" in name else (
        torch.optim.SGD, {"lr": 1e-6, "momentum": 0.9})
    parameters = list(parameters)
    for fast in ({"fused": True}, {"foreach": True}):
        try:
            return kind(parameters, **settings, **fast)
        except (TypeError, RuntimeError, ValueError):
            continue
    return kind(parameters, **settings)


class Case:
    """One network with one way to run it."""

    def __init__(self, request):
        self.training = request.get("training", True)
        self.batch = request["batch"]
        self.nhwc = request.get("layout") == "nhwc"
        torch.manual_seed(0)
        net = torch_nets.NETS[request["net"]]()
        if self.nhwc:
            net = net.to(memory_format=NHWC)
        self.net = net.train(self.training)
        channels, side = torch_nets.SIDES[request["net"]]
        images = max(self.batch, request.get("images", self.batch)) if self.training else self.batch
        # Stored channels-last where they are wanted so: a gathered batch is then laid out right without a copy.
        shape = (images, side, side, channels) if self.nhwc else (images, channels, side, side)
        self.x = torch.randn(shape)
        self.y = torch.randint(0, 10, (images,))
        self.order = torch.empty(0, dtype=torch.long)
        forward = self.net
        if self.training:
            self.optimizer = optimizer_for(request["net"], net.parameters())
            forward = lambda x, y: F.cross_entropy(net(x), y)  # noqa: E731
        if request.get("compile"):
            forward = torch.compile(forward, dynamic=False, mode=request.get("mode"))
        self.forward = forward
        # Compiling and allocators take some steps to settle.
        begin = time.perf_counter()
        for step in range(100):
            self.step()
            if step >= 1 and time.perf_counter() - begin > request.get("warm", 0.5):
                break

    def choose(self):
        if len(self.order) < self.batch:
            self.order = torch.randperm(len(self.x))
        chosen, self.order = self.order[: self.batch], self.order[self.batch :]
        return chosen

    def step(self):
        if not self.training:
            x = self.x.permute(0, 3, 1, 2) if self.nhwc else self.x
            with torch.inference_mode():
                return self.forward(x)
        chosen = self.choose()
        x, y = self.x.index_select(0, chosen), self.y.index_select(0, chosen)
        loss = self.forward(x.permute(0, 3, 1, 2) if self.nhwc else x, y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def times(self, seconds):
        times = []
        start = before = time.perf_counter()
        while not times or before - start < seconds:
            self.step()
            now = time.perf_counter()
            times.append(now - before)
            before = now
        return times


def gradients(request, given, kind):
    """Logits of inference; loss and gradients of training without dropout, as the dump's are."""
    net = torch_nets.load(torch_nets.NETS[request["net"]](), dump.parameters(given)).to(kind)
    x, y = torch.from_numpy(given["input"].copy()).to(kind), torch.from_numpy(given["labels"].astype(np.int64))
    if request.get("layout") == "nhwc":
        net, x = net.to(memory_format=NHWC), x.contiguous(memory_format=NHWC)
    with torch.no_grad():
        logits = net.eval()(x).numpy()
    if "loss" not in given:
        return logits, None, []
    for module in net:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    loss = F.cross_entropy(net.train()(x), y)
    loss.backward()
    return logits, loss.item(), [p.grad.numpy() for p in net.parameters()]


def check(request):
    """Differences of the dump from this network in double, and of this network's own in float.

    The latter are the measure: in a deep network, rounding decides which of two nearly equal values a pooling takes, and
    gradients in float are then per cents away from those in double, in any program.
    """
    given = dump.read(request["dump"])
    logits, loss, exact = gradients(request, given, torch.float64)
    own_logits, own_loss, own = gradients(request, given, torch.float32)
    result = {"logits": [dump.difference(given["logits"], logits), dump.difference(own_logits, logits)]}
    if loss is not None:
        wanted = [t for n, t in given.items() if n.startswith("gradient.")]
        result["loss"] = [dump.difference(given["loss"], [loss]), dump.difference([own_loss], [loss])]
        result["gradient"] = [max(map(dump.difference, wanted, exact)), max(map(dump.difference, own, exact))]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    cases = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "about":
                answer = {"torch": torch.__version__, "threads": torch.get_num_threads(),
                          "capability": torch.backends.cpu.get_cpu_capability()
                          if hasattr(torch.backends, "cpu") else "?"}
            elif request["do"] == "check":
                answer = check(request)
            else:
                key = json.dumps({k: v for k, v in request.items() if k != "seconds"}, sort_keys=True)
                if key not in cases:
                    cases[key] = Case(request)
                answer = {"times": cases[key].times(request["seconds"])}
        except Exception as error:  # whatever a peer cannot do is said, not hidden
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
