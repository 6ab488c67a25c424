"""Our speed against our peers' at their best, in one interleaved run: a Markdown table.

    python compare.py --program build/unfold --data MNIST_DIR [--rows lenet5-train,process] [--out FILE.md]

Peers are warm processes; in each round all contenders take a turn, ours between theirs. What a peer can be tuned by
(threads, layout, malloc, compilation) is screened first, and the fastest settings race. Results are compared before
anything is timed. docs/benchmarks.md says what each row is. Needs NumPy and PyTorch, and onnxruntime and onnx for
lenet5-infer.
"""

import argparse
import json
import pathlib
import platform
import sys
import tempfile
import time

import peers
import rows_process
import rows_steps

ROWS = {
    "lenet5-train": rows_steps.lenet5_train,
    "cpp-peers": rows_steps.cpp_peers,
    "lenet5-infer": rows_steps.lenet5_infer,
    "threads": rows_steps.threads,
    "engines": rows_steps.engines,
    "process": rows_process.process,
    "recipe": rows_process.recipe,
    "wide-train": rows_steps.wide_train,
    "layers": rows_process.layers,
}


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def scaled(seconds):
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} us"


class Work:
    """One line of the table: contenders that raced, and those that were only screened."""

    def __init__(self, name, raced, screened=(), checked="", wanted=0.0, versus="best peer"):
        self.name, self.raced, self.screened = name, raced, list(screened)
        self.checked, self.wanted, self.versus = checked, wanted, versus

    def sides(self):
        able = [c for c in self.raced if not c.error and c.fastest]
        ours = [c for c in able if c.ours]
        theirs = [c for c in able if not c.ours]
        return (min(ours, key=lambda c: c.best) if ours else None,
                min(theirs, key=lambda c: c.best) if theirs else None)

    def line(self):
        ours, theirs = self.sides()
        if not ours or not theirs:
            return f"| {self.name} | - | - | - | - | |"
        # The peer with the best median need not be the one with the fastest step.
        median = min(c.median for c in self.raced if not c.ours and not c.error)
        return (f"| {self.name} | {scaled(ours.best)} ({scaled(ours.median)}) | {theirs.name} | "
                f"{scaled(theirs.best)} ({scaled(median)}) | **{theirs.best / ours.best:.2f}** "
                f"({median / ours.median:.2f}) | {f'{self.wanted:g}' if self.wanted else ''} |")

    def details(self):
        lines = [f"### {self.name}", ""]
        if self.checked:
            lines += [self.checked, ""]
        lines += ["| | fastest | median |", "|---|---|---|"]
        for c in sorted((c for c in self.raced if not c.error), key=lambda c: c.best):
            lines.append(f"| {'**' + c.name + '**' if c.ours else c.name} | {scaled(c.best)} | {scaled(c.median)} |")
        able = sorted((c for c in self.screened if not c.error), key=lambda c: c.best)
        if able:
            lines += ["", "Screened only: " + "; ".join(f"{c.name} {scaled(c.best)}" for c in able) + "."]
        failed = [c for c in [*self.raced, *self.screened] if c.error]
        lines += [f"\n{c.name}: cannot ({c.error})." for c in failed]
        return "\n".join(lines)

    def json(self):
        def record(c):
            return {"name": c.name, "ours": c.ours, "error": c.error, "fastest": c.fastest, "medians": c.medians}

        return {"name": self.name, "checked": self.checked, "raced": [record(c) for c in self.raced],
                "screened": [record(c) for c in self.screened]}


def document(options, works, notes, begin):
    """The table's lines, and the whole text."""
    head = [f"{processor()}, {options.rounds} interleaved rounds, {time.time() - begin:.0f} s in all. "
            "Fastest step and, in brackets, the median; of the ratios too.", "",
            "| work | ours | best peer | its time | it / ours | at least |", "|---|---|---|---|---|---|",
            *[w.line() for w in works], ""]
    return head, "\n".join([*head, *[n + "\n" for n in notes], *[w.details() + "\n" for w in works]])


def write(options, works, notes, begin):
    options.out.write_text(document(options, works, notes, begin)[1])
    record = {"processor": processor(), "rounds": options.rounds, "works": [w.json() for w in works], "notes": notes}
    options.out.with_suffix(".json").write_text(json.dumps(record, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path, help="build/unfold")
    parser.add_argument("--data", type=pathlib.Path, help="the four IDX files of MNIST; for process and recipe")
    parser.add_argument("--layers-program", type=pathlib.Path, help="build/bench/bench_layers; for layers")
    parser.add_argument("--peer-programs", type=pathlib.Path,
                        help="folder of bench_dlib and the like; for cpp-peers. Default: bench beside the program")
    parser.add_argument("--old-python", default="/usr/bin/python3", help="one with an older PyTorch, raced as well")
    parser.add_argument("--rows", default=",".join(ROWS), help="which, with commas: " + ", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn of small steps; default 0.5")
    parser.add_argument("--finalists", type=int, default=3, help="settings of a peer that race; default 3")
    parser.add_argument("--no-compile", action="store_true", help="no torch.compile: the first run of it takes minutes")
    parser.add_argument("--seeds", type=int, default=10, help="of the recipe row, on our side")
    parser.add_argument("--peer-seeds", type=int, default=5, help="of the recipe row, on the peer's side")
    parser.add_argument("--out", type=pathlib.Path, help="Markdown; and JSON beside it. Default: standard output")
    options = parser.parse_args()
    options.program = options.program.resolve()
    options.peer_programs = (options.peer_programs or options.program.parent / "bench").resolve()
    rows = options.rows.split(",")
    unknown = [r for r in rows if r not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")

    def say(text):
        print(text, file=sys.stderr, flush=True)

    begin = time.time()
    works, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        options.work = pathlib.Path(folder)
        for row in rows:
            say(f"{row} ({time.time() - begin:.0f} s)")
            pool = peers.Pool()
            try:
                done = ROWS[row](options, pool, say, Work)
            except RuntimeError as error:
                notes.append(f"{row}: {error}")
                say(notes[-1])
                continue
            finally:
                pool.close()
            for entry in done:
                (notes if isinstance(entry, str) else works).append(entry)
            if options.out:
                write(options, works, notes, begin)  # what is there outlives what comes
    head, text = document(options, works, notes, begin)
    if options.out:
        write(options, works, notes, begin)
    print("\n".join(head) if options.out else text)


if __name__ == "__main__":
    main()
