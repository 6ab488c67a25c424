"""Rows of the table that compare whole processes, and layers by the program that times them."""

import json
import shutil
import statistics

import peers

# Chosen by the validation accuracy of seed 0 alone: NOTES.md has the candidates.
RECIPE = {"model": "lenet5", "epochs": 3, "batch": 64, "lr": 5e-3, "shift": 1}


def _ours(options, seeds, *arguments, accuracies=None):
    """`unfold train` as a turn: start to saved model, the next seed each time."""
    seeds = iter(seeds)

    def turn():
        out = options.work / "ours"
        shutil.rmtree(out, ignore_errors=True)
        command = [options.program, "train", "--data", options.data, "--out", out, "--seed", next(seeds), "--threads", 2,
                   "--progress", "none", "-q", *arguments]
        seconds, _ = peers.wall(command)
        if accuracies is not None:  # of the last step's weights, when the clock has stopped
            report = peers.run([options.program, "eval", out / "last.safetensors", "--data", options.data, "--json"])
            accuracies.append(json.loads(report)["accuracy"])
        return [seconds]

    return turn


def _torch(options, seeds, allocator, layout, *arguments, accuracies=None):
    seeds = iter(seeds)

    def turn():
        out = options.work / "theirs"
        shutil.rmtree(out, ignore_errors=True)
        command = [peers.sys.executable, peers.HERE / "torch_process.py", "--data", options.data, "--out", out, "--layout",
                   layout, "--seed", next(seeds), *arguments]
        seconds, output = peers.wall(command, peers.allocators()[allocator])
        if accuracies is not None:
            accuracies.append(json.loads(output.splitlines()[-1])["accuracy"])
        return [seconds]

    return turn


def _need_data(options):
    if not options.data:
        raise RuntimeError("needs --data")
    options.data = options.data.resolve()


def process(options, pool, say, work):
    _need_data(options)
    ours, theirs = [], []
    own = peers.Contender("unfold train --model lenet5-article --epochs 1",
                          _ours(options, range(100), "--model", "lenet5-article", "--epochs", 1, accuracies=ours), True)
    # The layout is that of the steps' row, where NCHW loses with every malloc.
    torch, rest = peers.screen([peers.Contender(f"PyTorch nhwc {allocator}",
                                                _torch(options, range(100), allocator, "nhwc", accuracies=theirs))
                                for allocator in peers.allocators()], 1, say)
    raced = [own, *torch]
    peers.race(raced, options.rounds)
    text = (f"Test accuracy of the last step's weights, mean of the runs: ours {100 * statistics.mean(ours):.2f} %, "
            f"PyTorch {100 * statistics.mean(theirs):.2f} %.")
    return [work("`unfold train --epochs 1`, whole process", raced, rest, checked=text, wanted=6)]


def recipe(options, pool, say, work):
    _need_data(options)
    r, ours, theirs = RECIPE, [], []
    flags = ["--model", r["model"], "--epochs", r["epochs"], "--batch", r["batch"], "--lr", r["lr"], "--shift", r["shift"]]
    own = peers.Contender("unfold train", _ours(options, range(options.seeds), *flags, accuracies=ours), True)
    allocator = "jemalloc" if "jemalloc" in peers.allocators() else "malloc"
    torch = peers.Contender(f"PyTorch nhwc {allocator}", _torch(
        options, range(options.peer_seeds), allocator, "nhwc", *flags, "--one-cycle", accuracies=theirs))
    for turn in range(max(options.seeds, options.peer_seeds)):
        if turn < options.seeds:
            own.go()
        if turn < options.peer_seeds:
            torch.go()
        say(f"  seed {turn}: {own.fastest[-1:]} {ours[-1:]} {torch.fastest[-1:]} {theirs[-1:]}")
    text = f"LeNet-5 with ReLU and max pooling, {r['epochs']} epochs, batch {r['batch']}, Adam, one-cycle up to {r['lr']}, " \
           f"shifts of up to {r['shift']} pixels; test accuracy of the last step's weights: "
    for name, values in (("ours", ours), ("PyTorch", theirs)):
        text += f"{name} mean {100 * statistics.mean(values):.2f} % of {len(values)} seeds (" + \
                " ".join(f"{100 * v:.2f}" for v in values) + "); "
    return [work(f"MNIST, {r['epochs']} epochs to 99 %, whole process", [own, torch], checked=text[:-2] + ".", wanted=6)]


def layers(options, pool, say, work):
    if not options.layers_program:
        raise RuntimeError("layers: needs --layers-program")
    texts = []
    for batch in (1, 16):
        for threads in (1, 2):
            command = [options.layers_program.resolve(), "--batch", batch, "--threads", threads, "--repeats", options.rounds,
                       "--layers", "^(AlexNet|VGG|ResNet)", "--means"]
            texts.append(peers.wall(command)[1])
            say(texts[-1])
    return texts
