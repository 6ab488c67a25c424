"""Rows of the table that compare steps: training and inference of LeNet-5, training of the wide networks."""

import json

import dump
import numpy as np
import peers

TOLERANCE = 1e-4


def bench(options, model, batch, threads, *more, seconds=None):
    """`unfold bench` as a turn. Each starts anew, so its two numbers stand for all its steps."""

    def turn():
        output = peers.run([options.program, "bench", model, "--batch", batch, "--threads", threads, "--json", "--seconds",
                            options.seconds if seconds is None else seconds, *more])
        engine = json.loads(output)["engines"][0]
        fastest, median = engine["fastest_s"], engine["median_s"]
        return [fastest, median, 2 * median - fastest]  # their least is the fastest, their median the median

    return turn


def ours(options, model, batch, *more, threads=(1, 2), seconds=None, name="unfold"):
    return [peers.Contender(f"{name}, {t} thread{'s' * (t > 1)}", bench(options, model, batch, t, *more, seconds=seconds), True)
            for t in threads]


def dumped(options, model, batch, *more):
    """A step of ours in a file: what both sides are compared by."""
    path = options.work / f"{model}.safetensors"
    peers.run([options.program, "bench", model, "--batch", batch, "--repeats", 1, "--seconds", 0, "--dump", path, *more])
    return path


def checked(results):
    """A sentence, or an error if the two sides do not compute the same: {what: [ours, theirs]} are differences."""
    worst = {}
    for result in results:
        for what, (mine, theirs) in result.items():
            worst[what] = [max(mine, worst.get(what, [0, 0])[0]), max(theirs, worst.get(what, [0, 0])[1])]
    for what, (mine, theirs) in worst.items():
        if not mine <= max(TOLERANCE, 3 * theirs):
            raise RuntimeError(f"the two sides do not compute the same: {what} differs by {mine:.1e}, the peer's by {theirs:.1e}")
    return ("Compared first, from the same weights, with PyTorch in double (largest difference relative to the largest "
            "value, of any tensor): " + ", ".join(f"{w} {m:.1e} ours, {t:.1e} PyTorch's" for w, (m, t) in worst.items()) + ".")


def torch_contenders(options, pool, net, batch, training=True, threads=(1, 2), allocators=None, compile_with=("malloc",),
                     seconds=None, **more):
    """All settings of PyTorch worth a try."""
    contenders = []
    seconds = options.seconds if seconds is None else seconds
    for allocator in allocators or peers.allocators():
        for t in threads:
            for layout in ("nchw", "nhwc"):
                for compiled in (False, True):
                    if compiled and (options.no_compile or allocator not in compile_with):
                        continue
                    peer = pool.get("torch_steps.py", "--threads", str(t), allocator=allocator)
                    name = f"PyTorch {layout} {allocator}{' compiled' * compiled}, {t} thread{'s' * (t > 1)}"
                    request = dict(do="time", net=net, batch=batch, training=training, layout=layout, compile=compiled,
                                   seconds=seconds, **more)
                    contenders.append(peers.Contender(name, lambda p=peer, r=request: p.ask(**r)["times"]))
    return contenders


def old_torch(options, pool, net, batch, training=True, layouts=("nchw", "nhwc"), threads=(1, 2), seconds=None, **more):
    """An older PyTorch, where its Python has one."""
    contenders = []
    try:
        version = pool.get("torch_steps.py", "--threads", "2", python=options.old_python).ask(do="about")["torch"]
    except RuntimeError:
        return []
    for t in threads:
        for layout in layouts:
            peer = pool.get("torch_steps.py", "--threads", str(t), python=options.old_python)
            request = dict(do="time", net=net, batch=batch, training=training, layout=layout,
                           seconds=options.seconds if seconds is None else seconds, **more)
            contenders.append(peers.Contender(f"PyTorch {version} {layout}, {t} thread{'s' * (t > 1)}",
                                              lambda p=peer, r=request: p.ask(**r)["times"]))
    return contenders


def contest(options, say, groups, own):
    """Screens each group of a peer's settings, then races the finalists with ours between them."""
    finalists, screened = [], []
    for group, keep in groups:
        if group:
            best, rest = peers.screen(group, keep, say)
            finalists += best
            screened += rest
    raced = []
    for i, contender in enumerate(finalists):
        raced += own[i:i + 1] + [contender]
    raced += own[len(finalists):]
    peers.race(raced, options.rounds)
    for c in raced:
        say(f"  = {c.name}: " + (c.error or f"{1e3 * c.best:.3f} ms, median {1e3 * c.median:.3f}"))
    return raced, screened


def lenet5_train(options, pool, say, work):
    model, works = "lenet5-article", []
    path = dumped(options, model, 100)
    peer = pool.get("torch_steps.py", "--threads", "2")
    results = [peer.ask(do="check", net=model, dump=str(path), layout=layout) for layout in ("nchw", "nhwc")]
    text = checked(results)
    for batch in (100, 32, 256):
        say(f" batch {batch}")
        # Compiling takes long and has not paid: tried at the batch that counts.
        compiled = ("malloc", "jemalloc") if batch == 100 else ()
        groups = [(torch_contenders(options, pool, model, batch, images=50000, compile_with=compiled), options.finalists),
                  (old_torch(options, pool, model, batch, images=50000), 1)]
        raced, screened = contest(options, say, groups, ours(options, model, batch, "--images", 50000))
        works.append(work(f"LeNet-5 training step, batch {batch}", raced, screened, text, 6))
    return works


def lenet5_infer(options, pool, say, work):
    model, works = "lenet5-article", []
    path = dumped(options, model, 100, "--inference")
    text = checked([pool.get("torch_steps.py", "--threads", "2").ask(do="check", net=model, dump=str(path))])
    difference = pool.get("onnx_steps.py").ask(do="check", dump=str(path))["logits"]
    if not difference <= TOLERANCE:
        raise RuntimeError(f"ONNX Runtime computes something else: {difference:.1e}")
    text += f" ONNX Runtime's logits differ from ours by {difference:.1e}."
    for batch in (1, 100):
        say(f" batch {batch}")
        onnx = []
        for threads in (1, 2):
            for style in ("bound-sequential", "run-sequential", "bound-parallel"):
                peer = pool.get("onnx_steps.py")
                request = dict(do="time", dump=str(path), batch=batch, threads=threads, style=style, seconds=options.seconds)
                onnx.append(peers.Contender(f"ONNX Runtime {style}, {threads} thread{'s' * (threads > 1)}",
                                            lambda p=peer, r=request: p.ask(**r)["times"]))
        torch = torch_contenders(options, pool, model, batch, training=False, allocators=("jemalloc",),
                                 compile_with=("jemalloc",))
        raced, screened = contest(options, say, [(onnx, options.finalists), (torch, 1)],
                                  ours(options, model, batch, "--inference"))
        works.append(work(f"LeNet-5 inference, batch {batch}", raced, screened, text, 3))
    return works


# Libraries of C++ and the programs that step them (bench/CMakeLists.txt): settings of threads, by the environment.
CPP_PEERS = {
    "dlib": {"bench_dlib": {f"{t} thread{'s' * (t > 1)}": {"OPENBLAS_NUM_THREADS": str(t)} for t in (1, 2)}},
    "tiny-dnn": {"bench_tiny_dnn_openmp": {f"OpenMP {t} thread{'s' * (t > 1)}": {"OMP_NUM_THREADS": str(t)} for t in (1, 2)},
                 "bench_tiny_dnn_async": {"async": {}}},
}


def cpp_check(options, peer, path):
    """Differences of the peer's loss and gradients from ours.

    The peers have plain tanh: its scale goes into the weights behind it, and back out of their gradients.
    """
    tensors = dump.read(path)
    parameters = dump.parameters(tensors)
    first = next(iter(parameters))
    scales = [1.7159 if name.endswith(".weight") and name != first else 1.0 for name in parameters]
    given, result = options.work / "given", options.work / "result"
    np.concatenate([np.float32(v).ravel() for v in (
        tensors["input"], tensors["labels"], *(p * s for p, s in zip(parameters.values(), scales)))]).tofile(given)
    peer.ask(do="check", given=str(given), result=str(result))
    values = np.fromfile(result, np.float32)
    found = {"loss": dump.difference(values[0], tensors["loss"]), "gradient": 0.0}
    at = 1
    for (name, parameter), scale in zip(parameters.items(), scales):
        theirs = scale * values[at:at + parameter.size].reshape(parameter.shape)
        found["gradient"] = max(found["gradient"], dump.difference(theirs, tensors[f"gradient.{name}"]))
        at += parameter.size
    return found


def cpp_peers(options, pool, say, work):
    """The training step against each C++ library whose program was built, a line each."""
    works, batch = [], 100
    path = dumped(options, "lenet5-article", batch)
    for library, programs in CPP_PEERS.items():
        contenders, texts = [], []
        for program, settings in programs.items():
            place = options.peer_programs / program
            if not place.is_file():
                works.append(f"cpp-peers: no {place}, so {library} is not measured by it")
                continue
            found = cpp_check(options, pool.get(str(place)), path)
            for what, difference in found.items():
                if not difference <= TOLERANCE:
                    raise RuntimeError(f"{program} computes something else: {what} differs by {difference:.1e}")
            texts.append(f"{program}'s {', '.join(f'{w} {d:.1e}' for w, d in found.items())}")
            for allocator in peers.allocators():
                for setting, variables in settings.items():
                    peer = pool.get(str(place), allocator=allocator, **variables)
                    request = dict(do="time", batch=batch, seconds=options.seconds)
                    contenders.append(peers.Contender(f"{library} {setting}, {allocator}",
                                                      lambda p=peer, r=request: p.ask(**r)["times"]))
        if not contenders:
            continue
        text = ("Compared first, from the same weights, with ours (largest difference relative to the largest value of "
                f"any tensor): {'; '.join(texts)}.")
        raced, screened = contest(options, say, [(contenders, options.finalists)],
                                  ours(options, "lenet5-article", batch, "--images", 50000))
        works.append(work(f"LeNet-5 training step, batch {batch}, against {library}", raced, screened, text))
    return works


def wide_train(options, pool, say, work):
    works = []
    for model, batch, least in (("alexnet", 32, 1.5), ("vgg16", 8, 2)):
        say(f" {model}")
        path = dumped(options, model, 2, "--optimizer", "sgd")
        result = pool.get("torch_steps.py", "--threads", "2").ask(do="check", net=model, dump=str(path))
        path.unlink()
        text = checked([result])
        torch = torch_contenders(options, pool, model, batch, threads=(2,), seconds=2, images=3 * batch, warm=0.1,
                                 allocators=("malloc", "jemalloc"), compile_with=("malloc",) if batch == 32 else ())
        old = old_torch(options, pool, model, batch, threads=(2,), seconds=2, images=3 * batch, warm=0.1,
                        layouts=("nhwc",))
        own = ours(options, model, batch, "--optimizer", "sgd", "--repeats", 1, threads=(2,), seconds=2)
        raced, screened = contest(options, say, [(torch, 2), (old, 0)], own)
        works.append(work(f"{'AlexNet' if model == 'alexnet' else 'VGG-16'} training step, batch {batch}", raced, screened,
                          text, least))
        pool.close()  # their memory, before the next network
    return works


def threads(options, pool, say, work):
    """Ours alone: the second thread's worth. The slower side stands where a peer would."""
    works = []
    for batch, least in ((100, 1.6), (128, 1.7)):
        one, two = ours(options, "lenet5-article", batch, "--images", 50000)
        one.ours = False
        peers.race([one, two], options.rounds)
        works.append(work(f"2 threads over 1, LeNet-5 training step, batch {batch}", [one, two], wanted=least))
    return works


def engines(options, pool, say, work):
    """The article's story: our three engines on a step of batch 100, and its own program."""
    own = [c for engine in ("fast", "im2col", "naive")
           for c in ours(options, "lenet5-article", 100, "--engine", engine, "--repeats", 2, threads=(2,),
                         seconds=0 if engine == "naive" else None, name=f"unfold {engine}")]

    def article():
        output = peers.wall([peers.sys.executable, peers.HERE / "article_numpy.py", "--data", options.data, "--steps", "4",
                             "--loops", "0"])[1]
        return [t / 1e3 for t in json.loads(output)["step_ms"]]

    raced = [*own, peers.Contender("the article's NumPy program", article)] if options.data else own
    peers.race(raced, options.rounds)
    return [work("LeNet-5 training step, batch 100, as the article has it", raced)]
