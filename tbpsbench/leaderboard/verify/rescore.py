"""Evaluate a record's checkpoint again and compare every rank: the one check that an edited ranks.npz cannot pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.config.load import Config
from tbpsbench.config.settings import Settings
from tbpsbench.errors import DataError
from tbpsbench.leaderboard.verify.checkpoint import check_checkpoint
from tbpsbench.leaderboard.verify.data import component_at
from tbpsbench.leaderboard.verify.external import score_again
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.metrics.result import Evaluation, Result
from tbpsbench.records.badges import is_external
from tbpsbench.records.evidence import Evidence, read_evidence
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.read import RECORD, read_record
from tbpsbench.records.schema import schema_problems

# Another processor adds up in another order; similarities that are that close then change places.
QUERIES_ALLOWED = 0.01
POINTS_ALLOWED = 0.2
FIX = "Evaluate the checkpoint with tools/test.py and keep the record that it writes."


def rescore(folder: str | Path, checkpoint: Path | None = None, *, root: str | None = None) -> Verification:
    """Evaluate a checkpoint as a record says it was, and compare.

    Args:
        folder: of the record.
        checkpoint: the evaluated file; by default the one that the run left beside the record.
        root: folder of the data set, where it is not the usual one. No folder or address that a record names is used.

    Returns:
        A verification of the checkpoint's hash and of the ranks and head scores alone. Ranks that differ for at most
        1 % of the queries, and scores by at most 0.2 points, are reported as checked, with the numbers: another kind
        of processor does that.

    Raises:
        CheckpointError, ConfigError, DataError, LeakError: if checkpoint, config or data are not what is needed.
    """
    found = Verification(Path(folder))
    found.record = read_record(folder)
    if problems := schema_problems(found.record):
        found.problems += problems
        return found
    gallery = found.record["config"]["evaluation"].get("gallery_texts")
    if gallery is not None and Path(gallery).name != gallery:
        found.problem("config.evaluation.gallery_texts", f"is {gallery!r}, not the name of a file", FIX)
        return found
    evidence = read_evidence(found.folder / found.record["evidence"]["file"], found.record["results"])
    path = check_checkpoint(found, checkpoint)
    if path is None or found.problems:
        found.doubt("ranks from the checkpoint", "not with the record's checkpoint")
        return found
    if missing := sorted({*found.record["results"]} - {*evidence}):
        found.problem("ranks.npz", f"holds no ranks of {', '.join(missing)}", FIX)
        return found
    evaluation = score_again(found, path, root) if is_external(found.record) else _evaluate(found, path, root)
    for name, own in evidence.items():
        if name not in evaluation.results:
            found.problem(f"results.{name}", "the config evaluates no such protocol", FIX)
            continue
        _compare(found, name, own, evaluation.results[name])
    return found


def _evaluate(found: Verification, checkpoint: Path, root: str | None) -> Evaluation:
    from tbpsbench.engine.evaluate import evaluate
    from tbpsbench.engine.trained import OPEN, evaluation_of, known_texts, use_machine
    from tbpsbench.system import load_system
    from tbpsbench.system_files import require_usable

    record, system = found.record, load_system(checkpoint)
    # What the checkpoint says was compared with the record; what to measure may have been asked for later.
    asked = {key: value for key, value in record["config"]["evaluation"].items() if key in OPEN["evaluation"]}
    settings = Settings.of({**system.config, "evaluation": {**system.config["evaluation"], **asked}})
    settings.data = replace(settings.data, dataset=component_at(record, root), cache_dir=None, num_workers=0)
    require_usable(Config(found.folder / RECORD, settings.values()), evaluation=True)
    data = evaluation_of(system, settings)
    if data.annotations.sha256 != annotations_sha256(record):
        raise DataError(f"{data.annotations.path}: not the annotation file of the record. Name its root with --data.")
    use_machine(settings.runtime)
    return evaluate(system.model, data, record["spec"]["split"], settings.evaluation, known_texts(system, data))


def _compare(found: Verification, name: str, own: Evidence, again: Result) -> None:
    what = f"ranks.npz: {name}"
    if not np.array_equal(own.query_ids, again.query_ids) or not np.array_equal(own.query_pids, again.query_pids):
        found.problem(what, "holds queries that differ from those of the split", FIX)
        return
    if not np.array_equal(own.ranks.offsets, again.ranks.offsets):
        found.problem(what, "holds a different number of matches than the gallery", FIX)
        return
    recorded = found.record["results"][name]
    moved = _points(recorded["scores"], again.scores)
    for head in sorted({*recorded["heads"], *again.head_scores}):
        moved = max(moved, _points(recorded["heads"].get(head, {}), again.head_scores.get(head, {})))
    changed = np.add.reduceat(own.ranks.ranks != again.ranks.ranks, own.ranks.offsets[:-1]) > 0
    said = f"{int(changed.sum())} of {len(changed)} queries rank differently, scores by up to {moved:.3f} points"
    if changed.mean() > QUERIES_ALLOWED or moved > POINTS_ALLOWED:
        found.problem(what, f"does not come from this checkpoint: {said}", FIX)
    elif changed.any() or moved > 0:
        found.checked.append(f"ranks of {name!r} from the checkpoint, as another processor would give them: {said}")
    else:
        found.checked.append(f"ranks and head scores of {name!r} from the checkpoint: every one is the same")


def _points(recorded: Mapping[str, float], again: Mapping[str, Any]) -> float:
    """Largest difference; infinite where a column is missing on one side."""
    if set(recorded) != set(again):
        return float("inf")
    return max((abs(recorded[key] - again[key]) for key in recorded), default=0.0)
