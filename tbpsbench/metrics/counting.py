"""How many gallery items score at least, and how many more than, given thresholds of each query.

Three forms of one count, for one block of similarities:
- `by_sort`: sort the part of a row that reaches the lowest threshold, then search the thresholds in it; the cost hardly
  depends on their number.
- `by_compare`: compare the row with each threshold and count, the row cut down on the way; fastest when a query has
  few positives.
- `by_tensor`: on the tensor's own device, for CUDA; `tbpsbench.kernels.counting`.
NumPy sorts and counts with SIMD: on one core of an AVX2 machine a row of 19,848 float32 takes 0.11 ms to sort and
0.007 ms to compare twice; there `torch.sort` takes 14 times as long. `crossover` measures both on the machine at
hand, because the ratio differs between processors by a factor of five; the choice never changes a number.

Shapes: B queries of one block, G gallery, R thresholds of the whole block. `edges` (B + 1,) divides the R thresholds
among the B rows.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias

import numpy as np
import torch

from tbpsbench.kernels.counting import counts

Counting = Literal["auto", "sort", "compare", "tensor"]
Counts: TypeAlias = tuple[np.ndarray, np.ndarray]
Form: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], Counts]

# Rows below which a thread costs more than it saves.
ROWS_PER_THREAD = 16
# Shorter rows are sorted so fast (0.03 ms) that threads mostly wait for the interpreter; single compares always are.
SHORTEST_SHARED = 6000
# Thresholds per row when `crossover` measures.
TRIAL = 8


def count(
    scores_BG: np.ndarray | torch.Tensor, threshold_R: np.ndarray, edges: np.ndarray, how: Counting = "auto"
) -> Counts:
    """Count by the form that suits the data.

    Args:
        scores_BG: similarities, without NaN; a tensor off the CPU is always counted where it lies.
        threshold_R: thresholds in the dtype of the scores, row after row, descending within a row.
        edges: (B + 1,) int64, thresholds of row b are `threshold_R[edges[b]:edges[b + 1]]`.
        how: "auto", or one form for tests.

    Returns:
        (R,) int64 items of the row that are >= the threshold, and (R,) int64 that are > it.
    """
    if isinstance(scores_BG, torch.Tensor) and counts_on_device(scores_BG, how):
        return by_tensor(scores_BG, threshold_R, edges)
    scores_BG = np.asarray(scores_BG)
    if how == "tensor":
        return by_tensor(torch.from_numpy(np.ascontiguousarray(scores_BG)), threshold_R, edges)
    rows, gallery = scores_BG.shape
    if how == "auto" and rows:
        how = "sort" if len(threshold_R) / rows > crossover(gallery, scores_BG.dtype.name) else "compare"
    if how == "compare":
        return by_compare(scores_BG, threshold_R, edges)
    return _shared(by_sort, scores_BG, threshold_R, edges)


def counts_on_device(scores_BG: torch.Tensor, how: Counting) -> bool:
    """Whether `count` leaves these similarities where they lie."""
    return how == "tensor" or scores_BG.device.type != "cpu"


def _shared(form: Form, scores_BG: np.ndarray, threshold_R: np.ndarray, edges: np.ndarray) -> Counts:
    """Share the rows among as many threads as torch may use; NumPy lets the others run while it sorts a row."""
    rows, gallery = scores_BG.shape
    workers = min(torch.get_num_threads(), rows // ROWS_PER_THREAD)
    if workers < 2 or gallery < SHORTEST_SHARED:
        return form(scores_BG, threshold_R, edges)
    bounds = [rows * worker // workers for worker in range(workers + 1)]

    def part(start: int, stop: int) -> Counts:
        first, last = edges[start], edges[stop]
        return form(scores_BG[start:stop], threshold_R[first:last], edges[start : stop + 1] - first)

    with ThreadPoolExecutor(workers) as pool:
        at_least, above = zip(*pool.map(part, bounds[:-1], bounds[1:]), strict=True)
    return np.concatenate(at_least), np.concatenate(above)


def by_sort(scores_BG: np.ndarray, threshold_R: np.ndarray, edges: np.ndarray) -> Counts:
    """Sort each row, as far as its lowest threshold, and search its thresholds (see `count`)."""
    gallery = scores_BG.shape[1]
    at_least_R, above_R = np.empty(len(threshold_R), np.int64), np.empty(len(threshold_R), np.int64)
    mask_G = np.empty(gallery, bool)
    bounds = edges.tolist()
    for row_G, start, stop in zip(scores_BG, bounds[:-1], bounds[1:], strict=True):
        if start == stop:
            continue
        wanted = threshold_R[start:stop]
        np.greater_equal(row_G, wanted[-1], out=mask_G)
        # Picking out pays while it leaves less than half of the row to be sorted.
        few = 2 * np.count_nonzero(mask_G) < gallery
        line = row_G[mask_G.nonzero()[0]] if few else row_G.copy()
        line.sort()
        at_least_R[start:stop] = len(line) - line.searchsorted(wanted, "left")
        above_R[start:stop] = len(line) - line.searchsorted(wanted, "right")
    return at_least_R, above_R


def by_compare(scores_BG: np.ndarray, threshold_R: np.ndarray, edges: np.ndarray) -> Counts:
    """Compare each row with each of its thresholds, the lowest first (see `count`).

    What lies below a threshold matters to no higher one, so the row is cut down whenever that halves it.
    """
    at_least_R, above_R = np.empty(len(threshold_R), np.int64), np.empty(len(threshold_R), np.int64)
    mask_G = np.empty(scores_BG.shape[1], bool)
    bounds = edges.tolist()
    for row_G, start, stop in zip(scores_BG, bounds[:-1], bounds[1:], strict=True):
        line, mask = row_G, mask_G
        for position in range(stop - 1, start - 1, -1):
            threshold = threshold_R[position]
            found = np.count_nonzero(np.greater_equal(line, threshold, out=mask))
            if 2 * found < len(line):
                line = line[mask.nonzero()[0]]
                mask = mask_G[: len(line)]
            at_least_R[position] = found
            above_R[position] = np.count_nonzero(np.greater(line, threshold, out=mask))
    return at_least_R, above_R


def by_tensor(scores_BG: torch.Tensor, threshold_R: np.ndarray, edges: np.ndarray) -> Counts:
    """Count on the device of the scores (see `count`)."""
    widest = int(np.diff(edges).max(initial=0))
    threshold, edge = (torch.from_numpy(part).to(scores_BG.device) for part in (threshold_R, edges))
    at_least, above = counts(scores_BG, threshold, edge, widest)
    return at_least.cpu().numpy().astype(np.int64), above.cpu().numpy().astype(np.int64)


@functools.cache
def crossover(gallery: int, dtype: str) -> float:
    """Thresholds per query above which sorting a row is faster than comparing it, measured here and now.

    Args:
        gallery: G, length of a row.
        dtype: of the scores, e.g. "float32".

    Returns:
        The number of thresholds for which both forms take equally long, between 1 and 64.
    """
    rows_BG = np.random.default_rng(0).standard_normal((3, gallery)).astype(dtype)
    threshold_R = np.resize(np.sort(rows_BG[0, :TRIAL])[::-1], 3 * TRIAL)
    edges = TRIAL * np.arange(4)
    compare = _shortest(lambda: by_compare(rows_BG, threshold_R, edges)) / TRIAL
    sort = _shortest(lambda: by_sort(rows_BG, threshold_R, edges))
    return float(np.clip(sort / max(compare, 1e-9), 1.0, 64.0))


def _shortest(function: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
