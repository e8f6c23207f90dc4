"""Whether a record is about the checkpoint that lies beside it, and whether the checkpoint tells the same story."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.config.flat import canonical, differences
from tbpsbench.data.sources import only_trained_on
from tbpsbench.engine.workdir import BEST, CARD, LAST
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.files import sha256_file
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.reading import parse_json
from tbpsbench.records.badges import is_external
from tbpsbench.records.changed import CHANGES, seen_by, values_at
from tbpsbench.records.identity import in_first_form, is_transfer, same_run
from tbpsbench.records.started import STARTED
from tbpsbench.weights.checkpoint import KEY
from tbpsbench.weights.files import read_checkpoint, weight_file

WHAT = "the checkpoint's hash, and the config and selection that it holds"
SCORED = "the hash of the scored file"
FIX = "Name the file that was evaluated with --checkpoint, or evaluate this one again with tools/test.py."
EDITED = "The record was edited after the run, or the checkpoint is another run's: train again."


def check_checkpoint(found: Verification, checkpoint: Path | None) -> Path | None:
    """Compare a record with its checkpoint: the given one, or the one that its run left beside it.

    Returns:
        The checkpoint if it is the record's, else None.

    Raises:
        CheckpointError: if a given checkpoint does not exist.
    """
    path = weight_file(checkpoint) if checkpoint is not None else _beside(found)
    if path is None:
        what, named = (SCORED, "file") if is_external(found.record) else (WHAT, "checkpoint")
        found.skip(what, f"no {named} available (name it with --checkpoint)")
        return None
    digest = sha256_file(path)
    if digest != found.record["checkpoint"]["sha256"]:
        found.equal("checkpoint.sha256", found.record["checkpoint"]["sha256"], digest, FIX, str(path))
        return None
    found.equal("checkpoint.bytes", found.record["checkpoint"]["bytes"], path.stat().st_size, EDITED, str(path))
    found.checked.append(f"hash of the checkpoint {path}")
    if not is_external(found.record):
        _check_content(found, path)
    return path


def run_folder(found: Verification) -> Path | None:
    """The run's folder that the record lies in, if it lies in one."""
    run = found.folder.resolve().parent
    return run if (run / CARD).is_file() else None


def _beside(found: Verification) -> Path | None:
    """The checkpoint of the run folder that the record lies in."""
    run, rule = run_folder(found), found.record["selection"]["rule"]
    if run is None or rule == "given":
        return None
    path = run / (LAST if rule == "last" else BEST)
    return path if path.is_file() else None


def _check_content(found: Verification, path: Path) -> None:
    """Compare with what the training wrote into the checkpoint."""
    what = "config and selection within the checkpoint"
    try:
        own = read_checkpoint(path).get(KEY)
        config = parse_json(str(own["config"]).encode(), "config") if isinstance(own, Mapping) else None
    except (CheckpointError, DataError, KeyError, TypeError, UnicodeEncodeError) as error:
        found.skip(what, f"{path} cannot be read as a checkpoint of tools/train.py ({error})")
        return
    if not isinstance(own, Mapping) or not isinstance(config, Mapping):
        found.skip(what, f"{path} holds weights only")
        return
    _check_config(found, config, path)
    trained = own.get("trained_on")
    start = trained.get("start") if isinstance(trained, Mapping) else None
    found.equal(STARTED, _plain(found.record.get(STARTED)), _plain(start), EDITED, str(path))
    told = list(trained.get("changes", ())) if isinstance(trained, Mapping) else []
    seen = seen_by(found.record, _epoch(found.record))
    found.equal(CHANGES, _plain(seen), _plain(told), EDITED, str(path))
    if not is_transfer(found.record):
        _check_data(found, own.get("data"), path)
    _check_sources(found, trained, path)
    if found.record["selection"]["rule"] != "given":
        _check_selection(found, own, path)
    found.checked.append(what)


def _epoch(record: Mapping[str, Any]) -> int | None:
    """The epoch of the checkpoint, after which its run may have gone on otherwise; None where no run is known."""
    selection = record["selection"]
    return None if selection["rule"] == "given" else selection.get("epoch")


def _plain(start: object) -> str:
    return json.dumps(start, sort_keys=True, default=str)


def _check_config(found: Verification, config: Mapping[str, Any], path: Path) -> None:
    recorded_config = json.loads(canonical(found.record["config"]))
    changed = differences(in_first_form(config), in_first_form(recorded_config))
    # A checkpoint that is evaluated on its own may be asked for other scores than its training was.
    free = ("evaluation", "data.dataset.root") if found.record["selection"]["rule"] == "given" else ()
    known = values_at(found.record, _epoch(found.record))
    for key, (trained, recorded) in changed.items():
        if not same_run(key, free) and known.get(key) != json.dumps(trained):
            found.problem(f"config.{key}", f"the record says {recorded!r}, {path} was trained with {trained!r}", EDITED)


def _check_data(found: Verification, hashes: object, path: Path) -> None:
    if not isinstance(hashes, Mapping):
        return
    data = found.record["data"]
    recorded = {source["role"]: source["sha256"] for source in data["sources"]}
    recorded["tokenizer"] = data["tokenizer_sha256"]
    for name, digest in hashes.items():
        asked = name == "gallery" and found.record["selection"]["rule"] == "given"
        if name in recorded and not asked:
            found.equal(f"data.sources.{name}", recorded[name], digest, EDITED, f"{path}, which was trained on it,")


def _check_sources(found: Verification, trained: object, path: Path) -> None:
    """What training read is told as the training told it: made by whom, from what."""
    read = trained.get("provenance") if isinstance(trained, Mapping) else None
    told = read.get("sources") if isinstance(read, Mapping) else None
    if not isinstance(told, list) or not all(isinstance(source, Mapping) for source in told):
        return
    by_role = {source.get("role"): source for source in told}
    for source in found.record["data"]["sources"]:
        role = source["role"]
        own = by_role.get(role)
        evaluated = not only_trained_on(role) and is_transfer(found.record)
        if own is not None and not evaluated and own.get("sha256") == source["sha256"]:
            recorded, trained_with = _plain(source), _plain(own)
            found.equal(f"data.sources.{role}", recorded, trained_with, EDITED, f"{path}, which was trained on it,")


def _check_selection(found: Verification, own: Mapping[str, Any], path: Path) -> None:
    selection, history, best = found.record["selection"], own.get("history") or [], own.get("best") or {}
    if selection["rule"] == "last":
        return
    rows_are_rows = isinstance(history, list) and all(isinstance(row, Mapping) for row in history)
    if not rows_are_rows or not isinstance(best, Mapping):
        found.problem("selection.history", f"{path} holds a damaged history", EDITED)
        return
    for key in ("epoch", "score", "metric"):
        found.equal(f"selection.{key}", selection.get(key), best.get(key), EDITED, str(path))
    rows = [{"epoch": row.get("epoch"), "score": row.get(selection.get("metric"))} for row in history]
    # best.pth was written at its epoch: later rows are not in it.
    found.equal("selection.history", list(selection.get("history", ()))[: len(rows)], rows, EDITED, str(path))
    chosen: Mapping[str, Any] = next((row for row in history if row.get("epoch") == selection.get("epoch")), {})
    if selection["rule"] == "val" and _is_test(chosen, found.record):
        message = f"the scores that chose the checkpoint ({path}) are those of the test split, every one of them"
        found.problem("selection.rule", message, "Choose on validation (evaluation.selection='val') and train again.")


def _is_test(chosen: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether one validation's scores are the test scores; two metrics at least must agree, and not at their ends."""
    first = record["results"].get(record["config"]["evaluation"]["protocols"][0], {}).get("scores", {})
    shared = [column for column in first if column in chosen and 0 < first[column] < 100]
    return len(shared) > 1 and all(first[column] == chosen[column] for column in shared)
