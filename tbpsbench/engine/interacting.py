"""An interactor in an evaluation: what it may see, the results beside which its own must stand, and the report.

Shapes: Q queries, G gallery, K candidates, R rounds.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.distributed import world_size
from tbpsbench.engine.reranking import Asked
from tbpsbench.engine.scoring import Scored, blocks
from tbpsbench.errors import ConfigError
from tbpsbench.interaction.base import (
    ABLATIONS,
    ORACLE,
    RANDOM,
    RANK_1,
    Blocks,
    Chooser,
    Interacted,
    Interactor,
    Scene,
    Target,
)
from tbpsbench.interaction.play import Spent
from tbpsbench.metrics.bootstrap import bootstrap_interval
from tbpsbench.metrics.dialogue import CUTS, Flips, best_log_rank_integral, round_table
from tbpsbench.metrics.ranking import PositiveRanks, Ties, average_precision, positive_ranks_by, recall_at
from tbpsbench.mllm.messages import Picture
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.model.base import SearchModel
from tbpsbench.vectors import Vectors

PLACE = "evaluation.interactor"
CLIENTS = ("mllm", "judge", "reconstructor")
# A removed image must never be shown: far below any similarity.
REMOVED = -1e4
PICTURES = 2048  # held at once
SEED = 0  # of the random anchors


@dataclass(frozen=True)
class Found:
    """Ranks after an interaction.

    Attributes:
        ranks: after it.
        ablations: name -> ranks.
        report: what the record says of it, plain data.
        outcome: the dialogues themselves.
        before: (start, stop) -> similarities of the queries as they were asked.
    """

    ranks: PositiveRanks
    ablations: dict[str, PositiveRanks]
    report: dict[str, Any]
    outcome: Interacted
    before: Blocks


def build_interactor(component: Mapping[str, Any], data: EvaluationData) -> Interactor:
    """The interactor of a config; simulated models in it answer from the evaluated data.

    Raises:
        RegistryError: if it cannot be built.
    """
    filled = dict(component)
    for part in CLIENTS:
        client = filled.get(part)
        if isinstance(client, Mapping) and client.get("type") in registry.MLLM_CLIENTS.names():
            takes = inspect.signature(registry.MLLM_CLIENTS.get(client["type"])).parameters
            if "annotations" in takes and client.get("annotations") is None:
                filled[part] = {**client, "annotations": str(data.annotations.path)}
    interactor: Interactor = registry.INTERACTORS.build(filled, PLACE)
    return interactor


@torch.no_grad()
def interacted(
    model: SearchModel, data: EvaluationData, asked: Asked, ask: Scored, answer: Scored, interactor: Interactor,
    ties: Ties, *, batch_size: int, skip_unmatched: bool,
) -> Found:  # fmt: skip
    """Talk about every query, and rank again.

    Args:
        model, data, asked, ask, answer, ties, batch_size, skip_unmatched: as in `engine.reranking.reranked`.
        interactor: who talks.

    Raises:
        ConfigError: if the system or the config lacks what is needed, or several processes evaluate.
        DataError: if the data lack what a witness remembers.
        StopRun: if a model cannot be asked any more.
    """
    if world_size() > 1:
        raise ConfigError(f"{PLACE}: a dialogue is held by one process; start the evaluation without torchrun")
    scene = _scene(model, data, asked, ask, answer, interactor, batch_size)
    wanted = [name for name in ABLATIONS if name in interactor.ablations]
    outcome, forced = interactor.interact(scene, _choosers(wanted, ask, answer))

    def rank(scores: Any) -> PositiveRanks:
        return positive_ranks_by(
            scores, ask.pids, answer.pids, ties=ties, query_groups=ask.groups, gallery_groups=answer.groups,
            skip_unmatched=skip_unmatched,
        )  # fmt: skip

    before, after = rank(scene.scores), rank(outcome.scores)
    ablations = {
        name: rank(outcome.without[name] if name in outcome.without else forced[name].scores)
        for name in wanted
        if name in outcome.without or name in forced
    }
    rounds = [before, *map(rank, outcome.rounds)]
    budgets = {calls: rank(scores) for calls, scores in outcome.budgets.items()}
    report = {
        "queries": len(after),
        "anchors": _anchors(outcome, before, ask, answer),
        "flips": _flips(before, after, ask),
        "rounds": round_table(np.stack([first_ranks(one) for one in rounds])),
        "bri": best_log_rank_integral(np.stack([first_ranks(one) for one in rounds])),
        "bri_before": best_log_rank_integral(first_ranks(before)[None]),
        "budgets": [
            {
                "calls": calls,
                "mean_calls": float(np.mean([_spent(one, calls) for one in outcome.spent])),
                **_scores(one),
            }
            for calls, one in budgets.items()
        ],
        "cost": _cost(outcome.spent),
        "ablation_calls": {name: sum(sum(one.calls) for one in found.spent) for name, found in forced.items()},
    }
    return Found(after, ablations, report, outcome, scene.scores)


def first_ranks(ranks: PositiveRanks) -> np.ndarray:
    """(Q,) rank from 1 of the first match of each query."""
    return ranks.ranks[ranks.offsets[:-1]] + 1


def _scene(
    model: SearchModel, data: EvaluationData, asked: Asked, ask: Scored, answer: Scored, interactor: Interactor,
    batch_size: int,
) -> Scene:  # fmt: skip
    plain, queries = blocks(model, ask, answer), asked.queries

    def without_removed(score_BG: Tensor, start: int, stop: int) -> Tensor:
        if ask.groups is None or answer.groups is None:
            return score_BG
        same_BG = (ask.pids[start:stop, None] == answer.pids) & (ask.groups[start:stop, None] == answer.groups)
        return score_BG.masked_fill(torch.from_numpy(same_BG), REMOVED)

    def similar(texts: Sequence[str]) -> Any:
        heads = _encoded(model, data, texts, batch_size)

        def rows(chosen: np.ndarray) -> np.ndarray:
            picked = {name: vectors[torch.from_numpy(np.asarray(chosen))] for name, vectors in heads.items()}
            told = Scored("text", picked, np.zeros(len(chosen), np.int64))
            return blocks(model, told, answer)(0, len(chosen)).numpy()

        return rows

    files = [data.annotations.image_root / record.file for gallery in asked.galleries for record in gallery.records]
    read = lru_cache(PICTURES)(lambda path: read_picture(path))

    def target(row: int) -> Target:
        position = int(asked.rows[row])
        record, own = queries.records[position], queries.captions[position]
        others = [caption.text for caption in record.captions if caption.caption_id != own.caption_id]
        if interactor.answerer == "witness" and not others:
            raise ConfigError(
                f"{PLACE}.answerer: a witness remembers another caption of the image that a query was written for, and "
                f"image {record.image_id} has one alone; take 'oracle', or 'anchor'"
            )
        return Target(read(data.annotations.image_root / record.file), " ".join(others))

    knows = interactor.answerer in ("witness", "oracle")
    return Scene(
        texts=[queries.texts[int(row)] for row in asked.rows],
        images=len(answer),
        scores=lambda start, stop: without_removed(plain(start, stop), start, stop),
        similar=similar,
        picture=lambda position: _shown(read, files, position),
        target=target if knows else None,
    )


def _shown(read: Any, files: Sequence[Any], position: int) -> Picture:
    found: Picture = read(files[position])
    return found


def _encoded(model: SearchModel, data: EvaluationData, texts: Sequence[str], batch_size: int) -> dict[str, Vectors]:
    device, parts = model.device, []
    for start in range(0, len(texts), batch_size):
        parts.append(model.encode_query(data.tokenizer(list(texts[start : start + batch_size])).to(device)))
    return {name: Vectors.join([part[name] for part in parts]).to("cpu") for name in parts[0]}


def _choosers(wanted: Sequence[str], ask: Scored, answer: Scored) -> dict[str, Chooser]:
    """Anchors of another origin. The oracle's alone needs to know who is who; its results say so."""

    def at_random(candidate_QK: np.ndarray) -> np.ndarray:
        place_Q = np.random.default_rng(SEED).integers(candidate_QK.shape[1], size=len(candidate_QK))
        return candidate_QK[np.arange(len(candidate_QK)), place_Q]

    def right(candidate_QK: np.ndarray) -> np.ndarray:
        right_QK = answer.pids[candidate_QK] == ask.pids[:, None]
        first_Q = candidate_QK[np.arange(len(candidate_QK)), right_QK.argmax(axis=1)]
        return np.where(right_QK.any(axis=1), first_Q, -1)

    found: dict[str, Chooser] = {RANDOM: at_random, RANK_1: lambda candidate_QK: candidate_QK[:, 0], ORACLE: right}
    return {name: choose for name, choose in found.items() if name in wanted}


def _anchors(outcome: Interacted, before: PositiveRanks, ask: Scored, answer: Scored) -> dict[str, Any]:
    """How often an anchor was found, and whether it was the right person."""
    rows = before.query
    anchor_Q, first_Q = outcome.anchors[rows], first_ranks(before)
    found_Q = anchor_Q >= 0
    right_Q = found_Q & (answer.pids[np.maximum(anchor_Q, 0)] == ask.pids[rows])
    place_Q = (outcome.candidates[rows] == anchor_Q[:, None]).argmax(axis=1) + 1

    def share(part_Q: np.ndarray, of_Q: np.ndarray) -> float | None:
        return 100.0 * float(part_Q[of_Q].mean()) if of_Q.any() else None

    everybody = np.ones(len(rows), dtype=bool)
    by_rank = {
        str(place): {"anchors": int((found_Q & (place_Q == place)).sum()),
                     "precision": share(right_Q, found_Q & (place_Q == place))}
        for place in sorted(set(place_Q[found_Q].tolist()))
    }  # fmt: skip
    base = share(first_Q == 1, ~found_Q)
    found, precision = share(found_Q, everybody), share(right_Q, found_Q)
    expected = (found or 0.0) * (precision or 0.0) / 100 + (100 - (found or 0.0)) * (base or 0.0) / 100
    return {
        "found": found,
        "precision": precision,
        "precision_where_rank_1_was_right": share(right_Q, found_Q & (first_Q == 1)),
        "precision_where_rank_1_was_wrong": share(right_Q, found_Q & (first_Q > 1)),
        "by_rank": by_rank,
        "early_stops": outcome.early,
        "expected_R@1": expected,
    }


def _flips(before: PositiveRanks, after: PositiveRanks, ask: Scored) -> dict[str, Any]:
    """What became right or wrong at rank 1, and an interval of the gain over identities."""
    one, other = first_ranks(before), first_ranks(after)
    flips = Flips.of(one, other)
    gain_Q = (other == 1).astype(np.float64) - (one == 1)
    interval = bootstrap_interval(gain_Q, ask.pids[before.query])
    return {
        "right_to_wrong": flips.right_to_wrong,
        "wrong_to_right": flips.wrong_to_right,
        "mcnemar_p": flips.p,
        "gain_R@1": 100.0 * float(gain_Q.mean()),
        "gain_R@1_interval_95": [100.0 * bound for bound in interval],
    }


def _spent(one: Spent, budget: int) -> int:
    """Calls of a query that stops before it passes a budget."""
    total = 0
    for cost in one.calls:
        if total + cost > budget:
            break
        total += cost
    return total


def _cost(spent: Sequence[Spent]) -> dict[str, float]:
    """A query each: calls, tokens, seconds that models were waited for; money and failures in all."""
    calls_Q = np.array([sum(one.calls) for one in spent])
    return {
        "calls_mean": float(calls_Q.mean()),
        "calls_p95": float(np.percentile(calls_Q, 95)),
        "calls_max": float(calls_Q.max()),
        "prompt_tokens": float(np.mean([one.prompt_tokens for one in spent])),
        "completion_tokens": float(np.mean([one.completion_tokens for one in spent])),
        "seconds": float(np.mean([one.seconds for one in spent])),
        "usd": float(sum(one.usd for one in spent)),
        "sent": float(sum(one.sent for one in spent)),
        "failed": float(sum(one.failed for one in spent)),
    }


def _scores(ranks: PositiveRanks) -> dict[str, float]:
    recalls = {f"R@{k}": 100.0 * float(recall_at(ranks, [k])[k].mean()) for k in CUTS}
    return recalls | {"mAP": 100.0 * float(average_precision(ranks).mean())}
