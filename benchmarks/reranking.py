"""Re-ranking by k-reciprocal encoding, and late interaction, against their plain forms.

    python benchmarks/reranking.py [--json] [--queries 6156 --gallery 3074 --dim 512 --sets 2000 --threads 1]

Arms, on the same float32 features:
- k-reciprocal encoding at the size of CUHK-PEDES' test split: `ours` (`rerankers/reciprocal.py`: sparse, each pair
  multiplied once) and `released`, the steps of the released code (zhunzhong07/person-re-ranking, written anew from its
  description): whole N x N matrices of distances, ranks and encodings, item by item in Python.
- Late interaction of texts (64 places, 16 to 64 words) with images (48 vectors): `ours` (`kernels.max_sim`: words that
  are there, in blocks) and `einsum`, the products of all places for as many texts at once as `--einsum-texts` says
  (all at once are 49 GB), then the largest, then the mean over words.

Each arm runs in a process of its own; the fewest CPU seconds of `--repeats` runs count (late interaction is long enough
for one). Peak memory is the growth of the largest resident size after the features exist. The arms must agree, or no
speed is reported.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _common import environment, finish, parser, peak_extra_bytes
from _targets import stated

from tbpsbench.kernels.max_sim import max_sim
from tbpsbench.rerankers.distances import euclidean_distances
from tbpsbench.rerankers.reciprocal import reach, reciprocal_distances

K1, K2, WEIGHT = 20, 6, 0.3
WORDS, PATCHES, WIDTH = 64, 48, 128
TOLERANCE = {"reciprocal": 1e-4, "max_sim": 1e-5}
# Of the entries of a re-ranked matrix that may differ by more: neighbours whose distances differ in the last bit.
SWAPPED = 1e-3
Data = tuple[Any, ...]


def people(queries: int, gallery: int, dim: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit features around one centre per identity, four to six of each."""
    torch.set_num_threads(threads)
    generator = np.random.default_rng(0)
    centre_ND = generator.normal(size=(max(1, gallery // 3), dim)).astype(np.float32)
    sides = []
    for count in (queries, gallery):
        rows = centre_ND[generator.integers(0, len(centre_ND), count)]
        for row_D in rows:
            row_D += generator.normal(size=dim).astype(np.float32)
            row_D /= np.linalg.norm(row_D)
        sides.append(rows)
    return sides[0], sides[1]


def reciprocal_ours(data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Ours: (Q, G) distances after re-ranking."""
    return reciprocal_distances(euclidean_distances(*data, reach(K1, K2)), K1, K2, WEIGHT)


def reciprocal_released(data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The steps of the released code with whole matrices."""
    queries, item_ND = len(data[0]), np.concatenate(data)
    total = len(item_ND)
    square_NN = (2 - 2 * item_ND @ item_ND.T).clip(min=0).astype(np.float32)
    np.fill_diagonal(square_NN, 0)
    distance_NN = np.transpose(square_NN / square_NN.max(axis=0))
    rank_NN = np.argsort(distance_NN).astype(np.int32)
    encoding_NN = np.zeros_like(distance_NN)
    half = int(np.around(K1 / 2))

    def reciprocal(item: int, k: int) -> np.ndarray:
        near = rank_NN[item, : k + 1]
        return near[np.where(rank_NN[near, : k + 1] == item)[0]]

    for item in range(total):
        own = reciprocal(item, K1)
        members = own
        for candidate in own:
            theirs = reciprocal(candidate, half)
            if len(np.intersect1d(theirs, own)) > 2 / 3 * len(theirs):
                members = np.append(members, theirs)
        members = np.unique(members)
        weight = np.exp(-distance_NN[item, members])
        encoding_NN[item, members] = weight / weight.sum()
    original_QN = distance_NN[:queries].copy()
    averaged_NN = np.zeros_like(encoding_NN)
    for item in range(total):
        averaged_NN[item] = encoding_NN[rank_NN[item, :K2]].mean(axis=0)
    holders = [np.where(averaged_NN[:, item] != 0)[0] for item in range(total)]
    jaccard_QN = np.zeros_like(original_QN)
    for query in range(queries):
        overlap_N = np.zeros(total, np.float32)
        for member in np.where(averaged_NN[query] != 0)[0]:
            shared = holders[member]
            overlap_N[shared] += np.minimum(averaged_NN[query, member], averaged_NN[shared, member])
        jaccard_QN[query] = 1 - overlap_N / (2 - overlap_N)
    return (jaccard_QN * (1 - WEIGHT) + original_QN * WEIGHT)[:, queries:]


def sets(texts: int, images: int, threads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Words, which of them are there, and patches."""
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    text_QTD = torch.randn(texts, WORDS, WIDTH, generator=generator)
    image_GLD = torch.randn(images, PATCHES, WIDTH, generator=generator)
    for set_ND in (text_QTD, image_GLD):
        # In place: what is freed before an arm begins would hide what the arm needs.
        for rows_TD in set_ND:
            rows_TD /= rows_TD.norm(dim=-1, keepdim=True)
    length_Q = torch.randint(16, WORDS + 1, (texts, 1), generator=generator)
    return text_QTD, torch.arange(WORDS) < length_Q, image_GLD


def max_sim_ours(data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> np.ndarray:
    """Ours, for blocks of texts as an evaluation asks for them."""
    text_QTD, mask_QT, image_GLD = data
    out_QG = torch.empty(len(text_QTD), len(image_GLD))
    for start in range(0, len(text_QTD), 32):
        rows = slice(start, start + 32)
        out_QG[rows] = max_sim(text_QTD[rows], image_GLD, mask_QT[rows])
    return out_QG.numpy()


def max_sim_einsum(data: tuple[torch.Tensor, torch.Tensor, torch.Tensor], at_once: int) -> np.ndarray:
    """All products, the largest over patches, the mean over the words that are there."""
    text_QTD, mask_QT, image_GLD = data
    out_QG = torch.empty(len(text_QTD), len(image_GLD))
    for start in range(0, len(text_QTD), at_once):
        rows = slice(start, start + at_once)
        best_QGT = torch.einsum("qtd,gld->qgtl", text_QTD[rows], image_GLD).amax(dim=3)
        there_QT = mask_QT[rows].float()
        out_QG[rows] = (best_QGT * there_QT[:, None]).sum(dim=2) / there_QT.sum(dim=1)[:, None]
    return out_QG.numpy()


def timed(arm: Callable[[Any], np.ndarray], repeats: int, data: Any) -> tuple[np.ndarray | None, float]:
    """What an arm returns, and its CPU seconds, the fewest of all repeats."""
    value, seconds = None, float("inf")
    for _ in range(repeats):
        value = None  # or its memory would count for the next
        started = time.process_time()
        value = arm(data)
        seconds = min(seconds, time.process_time() - started)
    return value, seconds


def race(
    prepare: Callable[[], Any], arms: dict[str, Callable[[Any], np.ndarray]], tolerance: float, repeats: int
) -> dict[str, Any]:
    """Seconds, peak bytes and the difference of the arms.

    Raises:
        SystemExit: if they disagree.
    """
    found = {name: peak_extra_bytes(prepare, functools.partial(timed, arm, repeats)) for name, arm in arms.items()}
    (ours, _), (theirs, _) = (value for value, _ in found.values())
    apart = np.abs(ours - theirs)
    swapped = float((apart > tolerance).mean())
    if not swapped <= SWAPPED:
        raise SystemExit(
            f"the arms disagree in {swapped:.1%} of the entries, allowed {SWAPPED:.1%}. No speed is reported."
        )
    return {
        "cpu_seconds": {name: value[1] for name, (value, _) in found.items()},
        "peak_mb": {name: max(1, extra) / 1e6 for name, (_, extra) in found.items()},
        "entries_that_differ": swapped,
    }


def main() -> None:
    """Run both jobs and compare."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--queries", type=int, default=6156)
    arguments.add_argument("--gallery", type=int, default=3074)
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--sets", type=int, default=2000, help="texts and images of the late interaction")
    arguments.add_argument("--einsum-texts", type=int, default=32, help="texts at once in the plain form")
    arguments.add_argument("--repeats", type=int, default=3, help="runs of k-reciprocal encoding; the fastest counts")
    options = arguments.parse_args()
    prepare = functools.partial(people, options.queries, options.gallery, options.dim, options.threads)
    arms: dict[str, Callable[[Any], np.ndarray]] = {"ours": reciprocal_ours, "released": reciprocal_released}
    reciprocal = race(prepare, arms, TOLERANCE["reciprocal"], options.repeats)
    tokens = functools.partial(sets, options.sets, options.sets, options.threads)
    arms = {"ours": max_sim_ours, "einsum": functools.partial(max_sim_einsum, at_once=options.einsum_texts)}
    late = race(tokens, arms, TOLERANCE["max_sim"], 1)

    def ratio(job: dict[str, Any], what: str, other: str) -> float:
        return float(job[what][other] / job[what]["ours"])

    result = {
        "name": "reranking",
        "size": {name: getattr(options, name) for name in ("queries", "gallery", "dim", "sets", "einsum_texts")},
        "ratios": {
            "reciprocal_vs_released": ratio(reciprocal, "cpu_seconds", "released"),
            "reciprocal_memory_vs_released": ratio(reciprocal, "peak_mb", "released"),
            "max_sim_vs_einsum": ratio(late, "cpu_seconds", "einsum"),
            "max_sim_memory_vs_einsum": ratio(late, "peak_mb", "einsum"),
        },
        "targets": stated("reranking"),
        "reciprocal": reciprocal,
        "max_sim": late,
        "environment": environment(options.threads),
    }
    finish(result, options.json)


if __name__ == "__main__":
    main()
