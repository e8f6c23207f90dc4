"""Exact evaluation (R@1, R@5, R@10, mAP, mINP) against the argsort evaluation of the field, and against its floor.

    python benchmarks/evaluation.py [--json] [--queries 19848 --gallery 19848 --dim 512 --threads 1]

Four arms on the same synthetic features (ICFG-PEDES: 1,000 identities, 19,848 images,
one caption each; R@1 about 60 %):
- `ours`: `positive_ranks` and `summarize`, as the tools call them.
- `argsort`: the whole similarity matrix, sorted whole, hits gathered and summed up, AP and INP in Python loops over
  queries, as IRRA's evaluator and its descendants do it; written here from its description.
- `matmul`: the whole similarity matrix by one `torch.mm` into a matrix allocated and touched before: the reference of
  `time_vs_matmul`.
- `matmul_blocks`: the same products in our blocks, for information.
`ours` and `argsort` each have a process of their own, where peak memory is measured. The times of `ours` and of the two
products come from one more process that runs them in turn, so that a busy machine slows all three alike; the shortest
of `--repeats` counts. The argsort arm runs once.
`ours` and `argsort` must agree: every score within `TOLERANCE` queries' worth, since the two products may differ in
the last bit of a similarity. On a slice of the queries ours is also run on the very similarities of the argsort side,
and must then agree to 1e-4 percentage points (that side averages in float32).

Peak memory is the growth of the largest resident size after the features exist. The argsort arm needs 37 to 43 bytes
for every pair; where less is available it runs on as many queries as fit, its time and memory are scaled by Q / slice,
and the JSON says so (`argsort_queries`, `argsort_scaled`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _common import best_of, environment, finish, meminfo, parser, peak_extra_bytes
from _targets import stated

from tbpsbench.metrics.ranking import positive_ranks, positive_ranks_from_scores, product_rows, summarize

KS = (1, 5, 10)
BYTES_PER_PAIR = 43
# Queries' worth by which a score may differ between two products of the same features.
TOLERANCE = 5
SAME_SCORES_QUERIES = 512
# Spread of a caption and of an image around their identity, relative to the identity's own vector; chosen so that
# R@1 is about 60 % at the default size.
QUERY_NOISE = 4.9
GALLERY_NOISE = 1.2

Data = tuple[torch.Tensor, torch.Tensor, np.ndarray, np.ndarray]


def make_data(queries: int, gallery: int, dim: int, threads: int, limit: int | None = None) -> Data:
    """Features and identities; every process makes the same ones.

    Args:
        queries, gallery: their numbers; query i describes image i, as far as there are images.
        dim: width of the features.
        threads: for everything that this process does.
        limit: keep the first so many queries.
    """
    torch.set_num_threads(threads)
    generator = np.random.default_rng(0)
    identities = max(2, round(gallery / 19.848))
    # Pictures per identity vary as in street data: gamma around the mean, at least one.
    share = generator.gamma(4.0, size=identities)
    gallery_pids = np.sort(np.concatenate([np.arange(identities), _draw(generator, share, gallery - identities)]))
    query_pids = gallery_pids[np.arange(queries) % gallery]
    centres = generator.standard_normal((identities, dim), dtype=np.float32)
    query_QD = _around(generator, centres, query_pids, QUERY_NOISE)[:limit].clone()
    gallery_GD = _around(generator, centres, gallery_pids, GALLERY_NOISE)
    return query_QD, gallery_GD, query_pids[:limit], gallery_pids


def _draw(generator: np.random.Generator, share: np.ndarray, size: int) -> np.ndarray:
    return generator.choice(len(share), size=size, p=share / share.sum())


def _around(generator: np.random.Generator, centres: np.ndarray, pids: np.ndarray, noise: float) -> torch.Tensor:
    """Unit vectors around the centres; some captions and pictures are worse than others."""
    features = generator.standard_normal((len(pids), centres.shape[1]), dtype=np.float32)
    features *= (noise * generator.uniform(0.6, 1.6, size=(len(pids), 1))).astype(np.float32)
    features += centres[pids]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return torch.from_numpy(features)


def run_ours(data: Data) -> dict[str, float]:
    """Scores of `positive_ranks`."""
    return summarize(positive_ranks(*data))


def run_short_arms(data: Data, repeats: int) -> dict[str, float]:
    """Shortest time in seconds of ours and of the two matrix products, run in turn."""
    query_QD, gallery_GD = data[:2]
    scores_QG = torch.zeros(len(query_QD), len(gallery_GD))
    rows = product_rows(len(gallery_GD))
    buffer_BG = torch.zeros(rows, len(gallery_GD))

    def blocks() -> None:
        for start in range(0, len(query_QD), rows):
            part_BD = query_QD[start : start + rows]
            torch.mm(part_BD, gallery_GD.T, out=buffer_BG[: len(part_BD)])

    arms: dict[str, Callable[[], Any]] = {
        "ours": lambda: run_ours(data),
        "matmul": lambda: torch.mm(query_QD, gallery_GD.T, out=scores_QG),
        "matmul_blocks": blocks,
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(repeats):
        for name, function in arms.items():
            times[name].append(best_of(function, 1)[0])
    return {name: min(found) for name, found in times.items()}


def run_argsort(data: Data) -> dict[str, Any]:
    """Time and scores of the evaluation by sorting everything."""
    seconds, scores = best_of(lambda: argsort_evaluation(data[0] @ data[1].T, data[2], data[3]), 1)
    return {"seconds": seconds, "scores": scores}


def run_same_scores(data: Data) -> dict[str, Any]:
    """Both evaluations on one matrix of similarities."""
    scores_QG = data[0] @ data[1].T
    ours = summarize(positive_ranks_from_scores(scores_QG, data[2], data[3], ties="stable"))
    return {"ours": ours, "argsort": argsort_evaluation(scores_QG, data[2], data[3], stable=True)}


def argsort_evaluation(
    scores_QG: torch.Tensor, query_pids: np.ndarray, gallery_pids: np.ndarray, *, stable: bool = False
) -> dict[str, float]:
    """R@k, mAP and mINP in percent, from the whole matrix sorted (field notes, 2.1)."""
    query_Q, gallery_G = torch.from_numpy(query_pids), torch.from_numpy(gallery_pids)
    order_QG = torch.argsort(scores_QG, dim=1, descending=True, stable=stable)
    hit_QG = gallery_G[order_QG].eq(query_Q[:, None])
    found_QG = hit_QG.cumsum(1)
    first = found_QG[:, : max(KS)].clone().clamp_(max=1).float().mean(0) * 100
    inp = []
    for row, found_G in enumerate(found_QG):
        last = hit_QG[row].nonzero()[-1]
        inp.append(found_G[last] / (last + 1.0))
    positives_Q = hit_QG.sum(1)
    precision = [column / (place + 1.0) for place, column in enumerate(found_QG.t())]
    precision_QG = torch.stack(precision, 1) * hit_QG
    ap_Q = precision_QG.sum(1) / positives_Q
    recalls = {f"R@{k}": float(first[min(k, len(first)) - 1]) for k in KS}
    return recalls | {"mAP": float(ap_Q.mean()) * 100, "mINP": float(torch.cat(inp).mean()) * 100}


def main() -> None:
    """Run the arms one after the other and compare."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--queries", type=int, default=19848)
    arguments.add_argument("--gallery", type=int, default=19848)
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--repeats", type=int, default=3, help="of the short arms; the shortest time counts")
    options = arguments.parse_args()
    size = (options.queries, options.gallery, options.dim, options.threads)
    data = functools.partial(make_data, *size)

    def arm(function: Callable[[Data], Any], limit: int | None = None) -> tuple[Any, int]:
        return peak_extra_bytes(functools.partial(data, limit=limit), function)

    ours, ours_bytes = arm(run_ours)
    short, _ = arm(functools.partial(run_short_arms, repeats=options.repeats))
    # A tenth of what is free is left to others.
    fitting = int(0.9 * meminfo("MemAvailable") / (BYTES_PER_PAIR * options.gallery))
    slice_queries = max(1, min(options.queries, fitting))
    argsort, argsort_bytes = arm(run_argsort, slice_queries)
    same, _ = arm(run_same_scores, min(options.queries, SAME_SCORES_QUERIES))
    scale = options.queries / slice_queries
    partial = ours if scale == 1 else arm(run_ours, slice_queries)[0]

    difference = max(abs(partial[name] - argsort["scores"][name]) for name in argsort["scores"])
    same_difference = max(abs(same["ours"][name] - same["argsort"][name]) for name in same["argsort"])
    allowed = 100 * TOLERANCE / slice_queries
    if difference > allowed or same_difference > 1e-4:
        raise SystemExit(
            f"the two evaluations disagree: {partial} and {argsort['scores']}; on the same similarities "
            f"{same}. No speed is reported."
        )
    seconds, memory = argsort["seconds"] * scale, argsort_bytes * scale
    result = {
        "name": "evaluation",
        "size": {"queries": options.queries, "gallery": options.gallery, "dim": options.dim},
        "ratios": {
            "speedup_vs_argsort": seconds / short["ours"],
            "memory_vs_argsort": memory / max(ours_bytes, 1),
            "time_vs_matmul": short["ours"] / short["matmul"],
        },
        "targets": stated("evaluation"),
        "seconds": {**short, "argsort": seconds},
        "peak_mb": {"ours": ours_bytes / 1e6, "argsort": memory / 1e6},
        "matmul_reference": "one torch.mm of all queries into a matrix allocated and touched before",
        "argsort_queries": slice_queries,
        "argsort_scaled": scale != 1,
        "scores": {"ours": ours, "argsort": argsort["scores"]},
        "largest_difference_points": difference,
        "tolerance_points": allowed,
        "largest_difference_on_same_similarities_points": same_difference,
        "repeats": options.repeats,
        "environment": environment(options.threads),
    }
    finish(result, options.json)


if __name__ == "__main__":
    main()
