"""HSIC and the batch-hard triplet loss, forward and backward, against their textbook forms.

    python benchmarks/losses.py [--json] [--rows 4096 --triplet-rows 8192 --dim 512 --threads 1]

Arms, on the same float32 features:
- HSIC: `ours` (`tbpsbench.kernels.hsic`, which takes X_c^T Y_c at this size); `textbook`, tr(K H L H) / (N-1)^2 with
  both kernel matrices and the centring matrix, as in eq. 2 of the BDAM paper; `width`, X_c^T Y_c in plain torch with
  its autograd, the best that torch gives without work; and the same at `--few` rows, where `rows` (both N x N matrices
  of centred features) is the better plain form.
- Triplet: `ours` (`tbpsbench.kernels.triplet`); `textbook`, the whole matrix of squared distances with autograd, and
  the hardest positive and negative by masks. pytorch-metric-learning, the usual choice, is no dependency of ours: its
  arm `pml` runs where it is installed (`pip install -e .[bench]`), and the result has no such ratio where it is not.

The arms of one job run in turn in one process; the shortest CPU time of each counts, which on a machine that others
use too is what the arm costs, while wall time is what the others leave. Peak memory is measured in a process of its own
for each arm: the growth of the largest resident size after the features exist, the gradients included (and first: a new
process begins with the largest size of the one that starts it). Values and gradients of all arms must agree, or no
speed is reported.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from _common import environment, finish, parser, peak_extra_bytes
from _targets import stated
from torch import Tensor

from tbpsbench.kernels.hsic import hsic
from tbpsbench.kernels.triplet import triplet

Loss = Callable[..., Tensor]
Data = tuple[Tensor, ...]
# Name of an arm -> what it computes, and how often.
Arms = dict[str, tuple[Loss, int]]
# Relative difference of values and of gradients (by norm) between arms; float32 sums of millions of products.
TOLERANCE = 1e-4
PER_IDENTITY = 4
MARGIN = 0.3


def hsic_data(rows: int, dim: int, threads: int) -> Data:
    """Two sets of features that depend on each other."""
    torch.set_num_threads(threads)
    x_ND, y_ND = torch.randn(2, rows, dim, generator=torch.Generator().manual_seed(0)).unbind()
    return x_ND.clone().requires_grad_(), (y_ND + 0.5 * x_ND).requires_grad_()


def triplet_data(rows: int, dim: int, threads: int) -> Data:
    """Features around one centre per identity, and labels."""
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    label_N = torch.arange(rows) // PER_IDENTITY
    centre_ND = torch.randn(int(label_N[-1]) + 1, dim, generator=generator)[label_N]
    x_ND = centre_ND + 1.5 * torch.randn(rows, dim, generator=generator)
    return (x_ND / dim**0.5).requires_grad_(), label_N


def hsic_textbook(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """Eq. 2 of the BDAM paper, as it is written."""
    rows = len(x_ND)
    centring_NN = torch.eye(rows) - torch.ones(rows, rows) / rows
    k_NN, l_NN = x_ND @ x_ND.T, y_ND @ y_ND.T
    return torch.trace(k_NN @ centring_NN @ l_NN @ centring_NN) / (rows - 1) ** 2


def hsic_width(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """||X_c^T Y_c||^2 / (N-1)^2 with torch's autograd."""
    cross_DD = (x_ND - x_ND.mean(0)).T @ (y_ND - y_ND.mean(0))
    return cross_DD.square().sum() / (len(x_ND) - 1) ** 2


def hsic_rows(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """The sum over K_c L_c with torch's autograd."""
    x_ND, y_ND = x_ND - x_ND.mean(0), y_ND - y_ND.mean(0)
    return ((x_ND @ x_ND.T) * (y_ND @ y_ND.T)).sum() / (len(x_ND) - 1) ** 2


def triplet_textbook(x_ND: Tensor, label_N: Tensor) -> Tensor:
    """Batch-hard from the matrix of squared distances (Hermans et al. 2017)."""
    square_N = x_ND.square().sum(1)
    distance_NN = (square_N[:, None] + square_N - 2 * x_ND @ x_ND.T).clamp(min=0)
    same_NN = label_N[:, None] == label_N
    hardest_N = torch.where(same_NN, distance_NN, -torch.inf).max(1).values
    nearest_N = torch.where(same_NN, torch.inf, distance_NN).min(1).values
    return (hardest_N - nearest_N + MARGIN).clamp(min=0).mean()


def triplet_ours(x_ND: Tensor, label_N: Tensor) -> Tensor:
    """Ours with the same margin."""
    return triplet(x_ND, label_N, margin=MARGIN)


def triplet_pml() -> Loss | None:
    """Batch-hard from pytorch-metric-learning, if there is one."""
    if find_spec("pytorch_metric_learning") is None:
        return None
    from pytorch_metric_learning import distances, losses, miners, reducers

    squared = distances.LpDistance(normalize_embeddings=False, p=2, power=2)
    miner = miners.BatchHardMiner(distance=squared)
    loss = losses.TripletMarginLoss(margin=MARGIN, distance=squared, reducer=reducers.MeanReducer())
    return lambda x_ND, label_N: loss(x_ND, label_N, miner(x_ND, label_N))


def step(loss: Loss, data: Data) -> tuple[float, list[Tensor]]:
    """Value and gradients."""
    for tensor in data:
        tensor.grad = None
    value = loss(*data)
    value.backward()
    return value.item(), [tensor.grad for tensor in data if tensor.grad is not None]


def agree(found: tuple[float, list[Tensor]], expected: tuple[float, list[Tensor]]) -> float:
    """Largest relative difference between two arms.

    Raises:
        SystemExit: if it is above the tolerance.
    """
    differences = [abs(found[0] - expected[0]) / abs(expected[0])]
    differences += [((a - b).norm() / b.norm()).item() for a, b in zip(found[1], expected[1], strict=True)]
    if not max(differences) <= TOLERANCE:
        raise SystemExit(f"the arms disagree by {max(differences):.1e}, allowed {TOLERANCE:.0e}. No speed is reported.")
    return max(differences)


def race(arms: Arms, data: Data) -> tuple[dict[str, float], float]:
    """Shortest CPU seconds of each arm, run in turn as often as it says, and the largest difference to the textbook."""
    times: dict[str, float] = dict.fromkeys(arms, float("inf"))
    expected = step(arms["textbook"][0], data)
    largest = max(agree(step(loss, data), expected) for name, (loss, _) in arms.items() if name != "textbook")
    for turn in range(max(repeats for _, repeats in arms.values())):
        for name, (loss, repeats) in arms.items():
            if turn < repeats:
                start = time.process_time()
                step(loss, data)
                times[name] = min(times[name], time.process_time() - start)
    return times, largest


def peak(prepare: Callable[[], Data], loss: Loss) -> int:
    """Peak bytes of one arm beyond its features."""
    return max(1, peak_extra_bytes(prepare, functools.partial(_once, loss))[1])


def _once(loss: Loss, data: Data) -> float:
    return step(loss, data)[0]


def main() -> None:
    """Run both jobs and compare."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rows", type=int, default=4096, help="of the HSIC")
    arguments.add_argument("--few", type=int, default=64, help="of the HSIC of a usual batch")
    arguments.add_argument("--triplet-rows", type=int, default=8192)
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--repeats", type=int, default=10, help="of the short arms; a fifth of it for the long ones")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    short, long = options.repeats, max(1, options.repeats // 5)

    many = functools.partial(hsic_data, options.rows, options.dim, options.threads)
    few = functools.partial(hsic_data, options.few, options.dim, options.threads)
    rows = functools.partial(triplet_data, options.triplet_rows, options.dim, options.threads)
    hsic_peak = {"ours": peak(many, hsic), "textbook": peak(many, hsic_textbook)}
    hard_peak = {"ours": peak(rows, triplet_ours), "textbook": peak(rows, triplet_textbook)}

    arms: Arms = {"ours": (hsic, short), "textbook": (hsic_textbook, long), "width": (hsic_width, short)}
    large, difference = race(arms, many())
    arms = {name: (loss, 50 * short) for name, (loss, _) in arms.items()} | {"rows": (hsic_rows, 50 * short)}
    small, small_difference = race(arms, few())
    arms = {"ours": (triplet_ours, long), "textbook": (triplet_textbook, long)}
    if (pml := triplet_pml()) is not None:
        arms["pml"] = (pml, long)
    hard, hard_difference = race(arms, rows())
    result: dict[str, Any] = {
        "name": "losses",
        "size": {key: getattr(options, key) for key in ("rows", "few", "triplet_rows", "dim")},
        "ratios": {
            "hsic_vs_textbook": large["textbook"] / large["ours"],
            "hsic_vs_width": large["width"] / large["ours"],
            "hsic_few_vs_best_plain": min(small["width"], small["rows"], small["textbook"]) / small["ours"],
            "hsic_memory_vs_textbook": hsic_peak["textbook"] / hsic_peak["ours"],
            "triplet_vs_textbook": hard["textbook"] / hard["ours"],
            "triplet_memory_vs_textbook": hard_peak["textbook"] / hard_peak["ours"],
        },
        "targets": stated("losses"),
        "cpu_seconds": {"hsic": large, "hsic_few": small, "triplet": hard},
        "peak_mb": {
            "hsic": {name: found / 1e6 for name, found in hsic_peak.items()},
            "triplet": {name: found / 1e6 for name, found in hard_peak.items()},
        },
        "largest_difference": {"hsic": difference, "hsic_few": small_difference, "triplet": hard_difference},
        "tolerance": TOLERANCE,
        "repeats": options.repeats,
        "environment": environment(options.threads),
    }
    if "pml" in hard:
        result["ratios"]["triplet_vs_pml"] = hard["pml"] / hard["ours"]
    finish(result, options.json)


if __name__ == "__main__":
    main()
