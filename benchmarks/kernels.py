"""The kernels on a CPU, forward and backward, against their definitions and what others offer.

    python benchmarks/kernels.py --device cpu [--json] [--rows 8192 --hsic-rows 4096 --dim 512 --threads 1]

Arms, on the same float32 inputs: `ours`, what the losses call; `textbook`, the definition in `naive.py` of the kernel's
folder, with torch's autograd: whole matrices of similarities, of kernels and centring (BDAM, eq. 2), the recurrence of
the scan position by position. `distances`: the triplet loss from the whole matrix of distances, made by one product.
`published`: the scan as Mamba's authors publish it for reference. For HSIC also `width`, X_c^T Y_c in plain torch, the
best that torch gives without work, and for a usual batch `rows`, both matrices of centred features.
What is no dependency of ours runs where it is installed (`pip install -e .[bench]`): pytorch-metric-learning (`pml`)
and mamba.py's parallel scan (`mambapy`); without it the result has no such ratio.

The arms of one job run in turn in one process; the shortest CPU time of each counts, which on a machine that others
use too is what the arm costs, while wall time is what the others leave. Peak memory is measured in a process of its own
for each arm: the growth of the largest resident size after the inputs exist, the gradients included. Values and
gradients of all arms must agree, or no speed is reported. A GPU is measured by `benchmarks/gpu.py`.
"""

from __future__ import annotations

import argparse
import functools
import time
from typing import Any, NamedTuple

import torch
from _common import environment, finish, parser, peak_extra_bytes
from _kernel_jobs import JOBS, Inputs, Loss, Size, step
from _kernel_peers import CUDA_ALONE
from _targets import stated

# Largest relative difference of values and of gradients, by norm: float32 sums of millions of products.
TOLERANCE = 1e-4
CPU = torch.device("cpu")


class Race(NamedTuple):
    """One job at one size.

    Attributes:
        key: what its ratios are called.
        job: name in JOBS.
        size: of the inputs.
        repeats: of ours and of others; and of the textbook form.
        memory: whether peaks are measured.
        backward: otherwise the forward pass without gradients.
    """

    key: str
    job: str
    size: Size
    repeats: tuple[int, int]
    memory: bool = True
    backward: bool = True


def arms_of(race: Race) -> dict[str, Loss]:
    """Name -> form."""
    job = JOBS[race.job]
    others = {name: loss for name, loss in job.others().items() if name not in CUDA_ALONE}
    arms = {"ours": job.ours, "textbook": job.textbook} | others
    if race.size.get("N", 0) > job.textbook_rows:
        arms.pop("textbook")
    if race.job == "HSIC" and race.memory:
        arms.pop("rows")
    return arms


def reference(race: Race) -> str:
    """The arm that all others must agree with: the definition, or where its differences do not fit, one product."""
    return "textbook" if "textbook" in arms_of(race) else "distances"


def slow(arm: str) -> bool:
    """Whether an arm is run as seldom as the textbook form."""
    return arm in ("textbook", "distances", "pml", "published", "mambapy")


def prepare(race: Race, threads: int) -> Inputs:
    """The inputs; every process makes the same ones."""
    torch.set_num_threads(threads)
    return JOBS[race.job].make(race.size, torch.float32, CPU, 0)


def compute(race: Race, loss: Loss, inputs: Inputs) -> list[torch.Tensor]:
    """Value and gradients, or the value alone."""
    if race.backward:
        return step(loss, inputs)
    with torch.no_grad():
        return [loss(*inputs)]


def peak(race: Race, arm: str, threads: int) -> float:
    """Peak MB of one arm beyond its inputs."""
    alone = functools.partial(_once, race, arm)
    return max(1, peak_extra_bytes(functools.partial(prepare, race, threads), alone)[1]) / 1e6


def _once(race: Race, arm: str, inputs: Inputs) -> float:
    return compute(race, arms_of(race)[arm], inputs)[0].item()


def run(race: Race, threads: int) -> tuple[dict[str, float], float]:
    """Shortest CPU seconds of each arm, run in turn, and the largest difference between two of them.

    Raises:
        SystemExit: if arms disagree.
    """
    inputs, arms = prepare(race, threads), arms_of(race)
    often, seldom = race.repeats
    times, first = dict.fromkeys(arms, float("inf")), dict[str, list[torch.Tensor]]()
    for turn in range(max(often, seldom)):
        for name, loss in arms.items():
            if turn < (seldom if slow(name) else often):
                start = time.process_time()
                found = compute(race, loss, inputs)
                times[name] = min(times[name], time.process_time() - start)
                first.setdefault(name, found)
    difference = max(_apart(found, first[reference(race)]) for found in first.values())
    if not difference <= TOLERANCE:
        raise SystemExit(
            f"{race.key}: the arms disagree by {difference:.1e}, allowed {TOLERANCE}. No speed is reported."
        )
    return times, difference


def _apart(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    pairs = zip(found, expected, strict=True)
    return max(float((a - b).norm() / b.norm().clamp(min=torch.finfo(b.dtype).tiny)) for a, b in pairs)


def races(options: Any) -> list[Race]:
    """What is measured."""
    many = {"N": options.rows, "D": options.dim}
    scan = {"B": options.batch, "L": options.length, "E": options.channels, "S": options.states}
    short, long = options.repeats, max(1, options.repeats // 5)
    found = [
        Race("infonce", "InfoNCE", many, (long, long)),
        Race("sdm", "SDM", many, (long, long)),
        Race("tal", "TAL", many, (long, long)),
        Race("hsic", "HSIC", many | {"N": options.hsic_rows}, (short, long)),
        Race("hsic_few", "HSIC", many | {"N": options.few}, (50 * short, 50 * short), memory=False),
        Race("triplet", "batch-hard triplets", many, (long, long)),
        Race("scan", "selective scan", scan, (short, 1)),
        Race("scan_one_position", "selective scan", scan | {"B": options.one_batch, "L": 1}, (20 * short, 20 * short),
             memory=False, backward=False),
    ]  # fmt: skip
    return [race for race in found if options.only is None or race.key in options.only.split(",")]


def ratios_of(race: Race, seconds: dict[str, float], peaks: dict[str, float]) -> dict[str, float]:
    """What ours is to the others."""
    found = {f"{race.key}_vs_{name}": value / seconds["ours"] for name, value in seconds.items() if name != "ours"}
    if race.key == "hsic_few":
        found = {"hsic_few_vs_best_plain": min(v for name, v in seconds.items() if name != "ours") / seconds["ours"]}
    if peaks:
        found[f"{race.key}_memory_vs_{reference(race)}"] = peaks[reference(race)] / peaks["ours"]
    return found


def options_of(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--device", choices=("cpu",), default="cpu", help="a GPU is measured by benchmarks/gpu.py")
    arguments.add_argument("--rows", type=int, default=8192, help="of contrastive losses and triplets")
    arguments.add_argument("--hsic-rows", type=int, default=4096)
    arguments.add_argument("--few", type=int, default=64, help="rows of the HSIC of a usual batch")
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--length", type=int, default=257, help="of the scan: 196 patches and a caption")
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--channels", type=int, default=512)
    arguments.add_argument("--states", type=int, default=16)
    arguments.add_argument("--one-batch", type=int, default=256, help="samples of the scan over one position")
    arguments.add_argument("--repeats", type=int, default=10, help="of the short arms; a fifth of it for the long ones")
    arguments.add_argument("--only", help="keys of races, e.g. sdm,hsic")
    return arguments.parse_args(given)


def main() -> None:
    """Run all races and compare."""
    options = options_of()
    found = races(options)
    # First: a new process begins with the largest size of the one that starts it.
    peaks = {
        race.key: {arm: peak(race, arm, options.threads) for arm in ("ours", reference(race))}
        for race in found
        if race.memory
    }
    ratios: dict[str, float] = {}
    seconds: dict[str, dict[str, float]] = {}
    differences: dict[str, float] = {}
    for race in found:
        seconds[race.key], differences[race.key] = run(race, options.threads)
        ratios |= ratios_of(race, seconds[race.key], peaks.get(race.key, {}))
    result: dict[str, Any] = {
        "name": "kernels",
        "device": options.device,
        "size": {race.key: race.size for race in found},
        "ratios": ratios,
        "targets": stated("kernels"),
        "cpu_seconds": seconds,
        "peak_mb": peaks,
        "largest_difference": differences,
        "tolerance": TOLERANCE,
        "repeats": options.repeats,
        "environment": environment(options.threads),
    }
    finish(result, options.json)


if __name__ == "__main__":
    main()
