"""Programs that take turns: peers that stay warm between their turns, ours, and the race that calls them."""

import glob
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent


def _library(pattern):
    found = sorted(glob.glob(f"/usr/lib/*/{pattern}"))
    return found[0] if found else None


def allocators():
    """{name: environment}: what malloc a peer may run with. Freed memory stays with the process in the tuned ones."""
    variants = {
        "malloc": {},
        "tuned malloc": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(16 << 30), "MALLOC_TOP_PAD_": str(64 << 20),
                         "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    }
    jemalloc = _library("libjemalloc.so.2")
    if jemalloc:
        variants["jemalloc"] = {"LD_PRELOAD": jemalloc,
                                "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,metadata_thp:auto"}
    return variants


def environment(extra=None):
    """This process's, without what holds OpenBLAS back, and with AVX-512 allowed where there is any."""
    clean = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
        clean["ATEN_CPU_CAPABILITY"] = "avx512"  # not PyTorch's default, even where the processor has it
    return {**clean, **(extra or {})}


class Peer:
    """A script of Python, or a program, that answers a line of JSON with one; started when it is first asked."""

    def __init__(self, script, *arguments, python=None, extra=None):
        script = HERE / script  # of an absolute path nothing but that path
        interpreter = [python or sys.executable] if script.suffix == ".py" else []
        self.command = [*interpreter, str(script), *arguments]
        self.extra = extra
        self.process = None

    def ask(self, **request):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                            stderr=subprocess.DEVNULL, env=environment(self.extra), cwd=HERE)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{' '.join(self.command)} ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        if self.process:
            try:
                self.process.stdin.close()
            except BrokenPipeError:  # it has ended already, with a request unread
                pass
            self.process.wait()
            self.process = None


def run(command, **options):
    """Standard output of a command of ours; its own words if it fails."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def wall(command, extra=None, cwd=None):
    """Seconds of a whole process, and what it printed."""
    begin = time.perf_counter()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment(extra), cwd=cwd)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-2000:]}")
    return seconds, done.stdout


class Contender:
    """One way to do the work. turn() does it for a while and gives the seconds of each step."""

    def __init__(self, name, turn, ours=False):
        self.name, self.turn, self.ours = name, turn, ours
        self.fastest, self.medians, self.error = [], [], None

    def go(self):
        if self.error:
            return
        try:
            times = self.turn()
        except RuntimeError as error:
            self.error = str(error).strip().splitlines()[0][:300]
            return
        self.fastest.append(min(times))
        self.medians.append(statistics.median(times))

    @property
    def best(self):
        return min(self.fastest)

    @property
    def median(self):
        return statistics.median(self.medians)


def screen(contenders, keep, say):
    """The few of many that were fastest in one turn (a case warms up by itself first); the others with their figures."""
    for contender in contenders:
        contender.go()
        say(f"  {contender.name}: " + (contender.error or f"{1e3 * contender.best:.3f} ms"))
    able = sorted((c for c in contenders if not c.error), key=lambda c: c.best)
    rest = able[keep:] + [c for c in contenders if c.error]
    for contender in able[:keep]:
        contender.fastest, contender.medians = [], []
    return able[:keep], rest


def race(contenders, rounds):
    """All in turns, so that a machine whose speed drifts treats them alike."""
    for _ in range(rounds):
        for contender in contenders:
            contender.go()


class Pool:
    """The peers of one row: each kind is started once, and all are ended together."""

    def __init__(self):
        self.peers = {}

    def get(self, script, *arguments, python=None, allocator="malloc", **variables):
        """variables: further ones of its environment."""
        key = (script, arguments, python, allocator, *variables.items())
        if key not in self.peers:
            extra = {**allocators()[allocator], **variables}
            self.peers[key] = Peer(script, *arguments, python=python, extra=extra)
        return self.peers[key]

    def close(self):
        for peer in self.peers.values():
            peer.close()
        self.peers = {}
