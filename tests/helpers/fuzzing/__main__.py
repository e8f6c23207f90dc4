"""Fuzz every reader for some time, or until so many inputs were made; prints a table and keeps what failed."""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from fuzzing.engine import Tally, keep, kept_inputs
from fuzzing.worker import MEMORY, prepare, targets, work

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "tests" / "data" / "fuzz"
COUNTS = ROOT / "work_dirs" / "fuzz" / "counts.json"
COLUMNS = ("inputs", "refused", "accepted", "failed")
MAX_CORPUS, MAX_KEPT = 24, 4096  # inputs of one target that are kept besides those that failed, and their bytes


def rounds(args, names, counts):
    """Hand slices to processes until the time or the number is reached; yields (target, tally)."""
    per_target = args.seconds * args.jobs / len(names) if args.seconds else 20.0
    # hypothesis finds more in little time; where a number is to be reached, the plain generator is the faster one.
    share = 0.5 if args.seconds else 0.1
    number = 0
    while True:
        done = sum(row["inputs"] for row in counts.values())
        with tempfile.TemporaryDirectory(dir=MEMORY) as place:
            slices = {
                name: (
                    name,
                    per_target,
                    share,
                    f"{args.seed}:{done}:{number}",
                    args.corpus,
                    number == 0,
                    f"{place}/{name}",
                )
                for name in names
            }
            yield from _one_round(args.jobs, slices)
        number += 1
        if not args.inputs or sum(row["inputs"] for row in counts.values()) >= args.inputs:
            return


def _one_round(jobs, slices):
    waiting = dict(slices)
    while waiting:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, prepare) as pool:
            running = {name: pool.submit(work, *arguments) for name, arguments in waiting.items()}
            dead = []
            for name, future in running.items():
                try:
                    yield future.result()
                except BrokenProcessPool:
                    dead.append(name)
                    continue
                del waiting[name]
        if (dead and len(dead) == len(slices) == 1) or (dead and jobs == 1):
            name, path = dead[0], Path(slices[dead[0]][-1])
            data = path.read_bytes() if path.is_file() else b""
            yield name, Tally(1, failed=1, failures={"the process died": (data, "the process died")})
            del waiting[name]
        jobs = 1 if dead else jobs  # one by one, it shows which target kills the process


def report(counts, failures, seconds):
    """The table, and where each failure lies."""
    width = max(map(len, counts))
    lines = [f"{'target':<{width}}" + "".join(f"{column:>12}" for column in COLUMNS)]
    total = dict.fromkeys(COLUMNS, 0)
    for name, row in sorted(counts.items()):
        lines.append(f"{name:<{width}}" + "".join(f"{row[column]:>12,}" for column in COLUMNS))
        total = {column: total[column] + row[column] for column in COLUMNS}
    lines.append(f"{'all':<{width}}" + "".join(f"{total[column]:>12,}" for column in COLUMNS))
    lines.append(f"{seconds:.0f} s. refused: with an error of tbpsbench.errors; failed: any other exception")
    lines += [f"\n{name}: {place}\n  {path}\n{text}" for (name, place), (path, text) in failures.items()]
    return "\n".join(lines)


def main():
    """Parse, fuzz, print; exit code 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="over all targets (default 120); 0 with --inputs")
    parser.add_argument("--inputs", type=int, default=0, help="go on until the counts reach so many, over all runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--target", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="inputs that are replayed first, and kept")
    parser.add_argument(
        "--counts", type=Path, default=COUNTS, help="what earlier runs counted; delete it to start anew"
    )
    args = parser.parse_args()
    args.seconds = 0 if args.inputs else args.seconds
    names = list(targets())
    if unknown := set(args.target or ()) - set(names):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    names = args.target or names
    counts = json.loads(args.counts.read_text()) if args.inputs and args.counts.is_file() else {}
    failures, started = {}, time.monotonic()
    for name, tally in rounds(args, names, counts):
        row = counts.setdefault(name, dict.fromkeys(COLUMNS, 0))
        counts[name] = {column: row[column] + getattr(tally, column) for column in COLUMNS}
        for place, (data, text) in tally.failures.items():
            if (name, place) not in failures:
                failures[name, place] = keep(args.corpus, name, data), text
        room = MAX_CORPUS - len(kept_inputs(args.corpus, name))
        for data in sorted(tally.found.values(), key=len)[: max(room, 0)]:
            if len(data) <= MAX_KEPT:
                keep(args.corpus, name, data)
        args.counts.parent.mkdir(parents=True, exist_ok=True)
        args.counts.write_text(json.dumps(counts, indent=1))
    print(report(counts, failures, time.monotonic() - started))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
