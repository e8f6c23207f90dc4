"""The record of a result: one JSON and the ranks that every number in it follows from (protocol.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tbpsbench.config.flat import fingerprint
from tbpsbench.config.places import components
from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write, sha256_bytes, sha256_file, write_json
from tbpsbench.metrics.bootstrap import bootstrap_interval
from tbpsbench.metrics.result import Evaluation
from tbpsbench.reading import read_json, shown
from tbpsbench.records.changed import CHANGES
from tbpsbench.records.environment import code_version, environment, plugin_provenance
from tbpsbench.records.evidence import EVIDENCE, pack_evidence
from tbpsbench.records.identity import system_sha256
from tbpsbench.records.read import RECORD
from tbpsbench.records.started import STARTED
from tbpsbench.registry import DATASETS, PROTOCOLS

SCHEMA = 1
SPEC_VERSION = 1


def make_record(
    *,
    name: str,
    config: Mapping[str, Any],
    checkpoint: Path,
    data: str,
    provenance: Mapping[str, Any],
    text_length: int | None,
    evaluation: Evaluation,
    selection: Mapping[str, Any],
    cost: Mapping[str, Any],
    suite: Mapping[str, Any] | None = None,
    trained_on: str | None = None,
    started_from: Mapping[str, Any] | None = None,
    changes: Sequence[Mapping[str, Any]] = (),
    status: str = "measured",
    protocol: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """Gather everything that a reader needs to check a result.

    Args:
        name: of the system, by default the config's.
        config: the resolved config with defaults.
        checkpoint: the evaluated file; its hash is kept.
        data: what tables call the evaluated data.
        provenance: what was read (see `Sources.provenance`), and the tokenizer's hash.
        text_length: longest text in tokens; None where that is not known.
        evaluation: what was measured on the test split.
        selection: how the checkpoint was chosen: rule, epoch, score, on which split with how many queries, number of
            evaluations on test.
        cost: parameters, FLOPs, memory, time, energy.
        suite: the leaderboard suite that asked for this run: its name, entry and all of its seeds.
        trained_on: the data set that the model was trained on, where it is not the evaluated one.
        started_from: the system that training started from (records/started.py), if any.
        changes: of the config while the model was trained (records/changed.py).
        status: "measured", or "external" for what other code made.
        protocol: what replaces or joins the record's `protocol`, where no heads of ours compared anything.

    Returns:
        The record, and its evidence as the bytes of ranks.npz.
    """
    evidence = pack_evidence(evaluation.results)
    used = {(slot.slot, value["type"]) for _, slot, value in components(config) if isinstance(value, Mapping)}
    used |= {(PROTOCOLS.slot, asked) for asked in config["evaluation"]["protocols"]}
    used.add((DATASETS.slot, provenance["component"]["type"]))  # not the config's if the model was trained elsewhere
    record = {
        "schema": SCHEMA,
        "name": name,
        "status": status,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "spec": {
            "data": data,
            "trained_on": trained_on or data,
            "split": evaluation.split,
            "version": SPEC_VERSION,
        },
        "suite": dict(suite or {}),
        "track": evaluation.track,
        "leaks": evaluation.leaks,
        "selection": dict(selection),
        "seed": config["seed"],
        "config": dict(config),
        "config_sha256": fingerprint(config),
        "system_sha256": system_sha256(config),
        "checkpoint": {"sha256": sha256_file(checkpoint), "bytes": checkpoint.stat().st_size},
        "code": code_version(),
        "plugins": plugin_provenance(used),
        "environment": environment(),
        "data": dict(provenance),
        **({STARTED: dict(started_from)} if started_from is not None else {}),
        **({CHANGES: [dict(change) for change in changes]} if changes else {}),
        "protocol": {
            "similarity": f"weighted sum of the heads' {evaluation.compared}, float32",
            "ties": config["evaluation"]["ties"],
            "image_size": list(config["data"]["size"]) if "size" in config["data"] else None,
            "text_length": text_length,
            "skip_unmatched": config["evaluation"]["skip_unmatched"],
            **({"distractors": evaluation.distractors} if evaluation.distractors else {}),
            **(protocol or {}),
        },
        "results": {result_name: _result(evaluation, result_name) for result_name in evaluation.results},
        "cost": {
            **cost,
            **evaluation.speed,
            "index_bytes": evaluation.index_bytes,
            **({"rerank": evaluation.rerank_cost} if evaluation.rerank else {}),
        },
        **({"rerank": evaluation.rerank} if evaluation.rerank else {}),
        **({"interaction": evaluation.interaction} if evaluation.interaction else {}),
        "evidence": {"file": EVIDENCE, "sha256": sha256_bytes(evidence)},
    }
    return record, evidence


def require_place(folder: Path | None, name: str) -> None:
    """Refuse a folder that holds another record than an evaluation's of the same system, before hours are spent.

    Args:
        folder: where a record is to be written; None for nowhere.
        name: the system's.

    Raises:
        DataError: if it holds a training run's record, or another system's, or what is no record.
    """
    if folder is None or not (folder / RECORD).is_file():
        return
    there = read_json(folder / RECORD)
    found = there if isinstance(there, dict) else {}
    selection = found.get("selection")
    rule = selection.get("rule") if isinstance(selection, dict) else None
    if rule != "given" or found.get("name") != name:
        own = f"the record of {found.get('name')!r:.80}"
        what = own if rule == "given" else "a training run's record" if rule else "something that is no record"
        raise DataError(f"{shown(folder / RECORD)}: holds {what}, which would be lost. Give another --out.")


def write_record(folder: Path, record: Mapping[str, Any], evidence: bytes) -> None:
    """Write `folder/ranks.npz`, then `folder/record.json`; each whole or not at all.

    Raises:
        StorageError: if they cannot be written.
    """
    with atomic_write(folder / EVIDENCE) as stream:
        stream.write(evidence)
    write_json(folder / RECORD, record)


def _result(evaluation: Evaluation, name: str) -> dict[str, Any]:
    result = evaluation.results[name]
    intervals = {
        key: [100 * bound for bound in bootstrap_interval(values, result.query_pids)]
        for key, values in result.per_query.items()
    }
    return {
        "scores": result.scores,
        "intervals_95": intervals,
        "heads": result.head_scores,
        "queries": result.queries,
        "gallery": result.gallery,
        "identities": result.identities,
        "skipped_queries": len(result.ranks.skipped),
        "tied_queries": result.ranks.ties,
    }
