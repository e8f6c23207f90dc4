"""Everything that needs a GPU, in one command of at most eight minutes.

    python benchmarks/gpu.py --out DIR [--quick] [--seconds 480] [--only checks,contrastive,...] [--sweep]

With torch, triton and numpy alone: self-checks of every kernel on this device, then each against its definition, the
same under torch.compile, and what others offer where it is installed (open_clip, memeff, pytorch-metric-learning,
mamba-ssm), over sizes and dtypes; a training step and the loader where mmengine is installed; evaluation. Times are
medians between CUDA events, peaks what the allocator held beyond the inputs, shares relative to the rates that a large
matrix product and a copy reach in the same run. A result that is not correct gets no speed, and what is slower is
called slower.

Each section runs in processes of its own; what fails or is out of time says so in its row and costs nothing else.
DIR/gpu.json is written anew after every row; DIR/log.txt has the processes' output. `--sweep` tries tile shapes and
sizes of each kernel instead of racing. `--device cpu --tiny` runs through all of it without a GPU, to try it out.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

SECTIONS = (
    "checks", "sweep", "contrastive", "hsic", "triplet", "scan", "evaluation", "step", "profile", "compiled", "loading",
)  # fmt: skip
RACES = ("contrastive", "hsic", "triplet", "scan")
# Part of the time that is left, when a section begins, that it may use up.
SHARES = {
    "checks": 0.25, "compiling": 0.6, "contrastive": 0.35, "hsic": 0.2, "triplet": 0.15, "scan": 0.25,
    "evaluation": 0.2, "step": 0.5, "profile": 0.4, "compiled": 0.85,
}  # fmt: skip
NO_RATES = {"bfloat16_tflops": float("inf"), "float32_tflops": float("inf"), "copy_tb_s": float("inf")}


class Results:
    """Rows as they come, kept in a file that is whole at any time."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.started, self.rows = folder / "gpu.json", time.monotonic(), list[dict[str, Any]]()
        self.head: dict[str, Any] = {
            "name": "gpu",
            "options": {key: str(value) for key, value in vars(options).items()},
        }

    def finish(self, ratios: dict[str, float]) -> None:
        """Add what the goals are stated in, and write the file."""
        self.head["ratios"] = ratios
        self._write()

    def keep(self, row: dict[str, Any]) -> None:
        """Add a row and write the file."""
        self.rows.append(row | {"at_s": round(time.monotonic() - self.started, 1)})
        self._write()

    def _write(self) -> None:
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.head | {"rows": self.rows}), encoding="utf-8")
        temporary.replace(self.path)

    def of(self, section: str) -> list[dict[str, Any]]:
        """The rows of one section."""
        return [row for row in self.rows if row["section"] == section]


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and log.txt")
    parser.add_argument("--only", help=f"comma-separated: {', '.join(SECTIONS)}")
    parser.add_argument("--sweep", action="store_true", help="the same as --only checks,sweep")
    parser.add_argument("--tables", help="part of the names of the tables that a sweep is about, e.g. gradient_tile")
    parser.add_argument("--quick", action="store_true", help="fewer sizes")
    parser.add_argument("--seconds", type=float, default=480, help="for everything (default 480)")
    parser.add_argument("--mamba", type=Path, help="a file with selective_scan_fn, for lack of mamba_ssm")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes at which no time means anything")
    parser.add_argument("--jobs", type=int, default=min(14, os.cpu_count() or 1), help="of checks and compiling")
    return parser


def main(given: list[str] | None = None) -> int:
    """Run the sections, print one table; 1 if a kernel was not correct or a section failed."""
    options = arguments().parse_args(given)
    usual = ["checks", "sweep"] if options.sweep else [section for section in SECTIONS if section != "sweep"]
    chosen = options.only.split(",") if options.only else usual
    if unknown := set(chosen) - set(SECTIONS):
        raise SystemExit(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
    if options.device == "cpu":
        # With TBPSBENCH_KERNELS=triton Triton's interpreter runs, a thousand times slower than plain torch.
        os.environ |= {"TRITON_INTERPRET": "1", "TBPSBENCH_KERNELS": os.environ.get("TBPSBENCH_KERNELS", "torch")}
    import _gpu_checks
    import _gpu_compiled
    import _gpu_goals
    import _gpu_profile
    import _gpu_races
    import _gpu_sweep
    import _gpu_system
    import _gpu_table
    from _forks import Task, run_tasks

    results, log = Results(options.out, options), options.out / "log.txt"
    end = results.started + options.seconds

    def run(tasks: list[Task], section: str, parallel: int = 1) -> None:
        left = end - time.monotonic()
        deadline = time.monotonic() + left * (SHARES.get(section, 0.9) if len(chosen) > 1 else 1)
        run_tasks(tasks, parallel, deadline, results.keep, log)
        print(f"{section}: {time.monotonic() - results.started:.0f} s after the start", flush=True)

    kind, tiny = options.device, options.tiny
    run([Task("facts", "facts", functools.partial(_gpu_system.facts, kind, tiny))], "facts")
    rates = next((row["rates"] for row in results.of("facts") if "rates" in row), NO_RATES)
    races = [section for section in chosen if section in RACES]
    early = _gpu_checks.tasks(kind, tiny) if "checks" in chosen else []
    run(early, "checks", options.jobs)
    if "sweep" in chosen:
        _gpu_sweep.sweep(kind, tiny, options.jobs, run, options.tables)
    for section in races:
        race = functools.partial(
            _gpu_races.race, section, kind, rates, quick=options.quick, tiny=tiny, mamba=options.mamba
        )
        run([Task(section, section, race)], section)
    others = {
        **{name: functools.partial(_gpu_system.tasks, kind, name, tiny) for name in ("evaluation", "step", "loading")},
        "profile": functools.partial(_gpu_profile.tasks, kind, tiny),
        "compiled": functools.partial(_gpu_compiled.tasks, kind, tiny),
    }
    for section in (section for section in SECTIONS if section in chosen and section in others):
        tasks = others[section]()
        run(tasks, section, len(tasks) if section == "compiled" else 1)
    results.finish(_gpu_goals.ratios(results.rows))
    print(_gpu_table.summary(results.rows))
    print(_gpu_goals.table(results.rows))
    wrong = [row for row in results.rows if "failed" in row or row.get("ok") is False]
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
