"""The queries of an evaluation with their scores and what is known of them: from a checkpoint, or from a record.

Shapes: Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench import registry
from tbpsbench.annotations import Annotations, read_annotations
from tbpsbench.arguments import did_you_mean
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.trained import Trained, known_texts
from tbpsbench.errors import ConfigError, DataError, RegistryError
from tbpsbench.files import sha256_file
from tbpsbench.leaderboard.verify.recompute import disagreements, per_query, recomputed
from tbpsbench.metrics.breakdown import Asked
from tbpsbench.model.roles import QUERY
from tbpsbench.protocols.base import IMAGE_TO_TEXT
from tbpsbench.reading import shown
from tbpsbench.records.badges import badges_of
from tbpsbench.records.changed import CHANGES
from tbpsbench.records.evidence import read_evidence
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.read import RECORD, read_record
from tbpsbench.records.schema import schema_problems
from tbpsbench.records.started import STARTED
from tbpsbench.system_files import checkpoint_file

CHECK = "tools/leaderboard.py verify says what is wrong with it."


@dataclass(frozen=True)
class Scored:
    """The queries of one protocol.

    Attributes:
        name: of the system.
        data, split, protocol, ties, track: what was evaluated, and how.
        asked: (Q,) image and caption of each query.
        pids: (Q,) identities.
        per_query: metric -> (Q,) fractions.
        badges: what a reader must know, as on a board.
        source: where the scores come from: "checkpoint" or "record", the path, a hash.
    """

    name: str
    data: str
    split: str
    protocol: str
    ties: str
    track: str
    asked: Sequence[Asked]
    pids: np.ndarray
    per_query: Mapping[str, np.ndarray]
    badges: tuple[str, ...]
    source: Mapping[str, str]


def from_checkpoint(trained: Trained, checkpoint: str | Path, split: str, protocol: str | None = None) -> Scored:
    """Evaluate a system.

    Args:
        trained: the system and its data.
        checkpoint: where it was loaded from.
        split: the split to evaluate.
        protocol: any that is registered; default the first of the config's.

    Raises:
        DataError, LeakError, RegistryError: as `evaluate`.
    """
    section, data = trained.settings.evaluation, trained.data
    name = protocol or section.protocols[0]
    asked = replace(section, protocols=(name,), both_directions=False)
    evaluation = evaluate(trained.system.model, data, split, asked, known_texts(trained.system, data))
    result, file = evaluation.results[name], checkpoint_file(checkpoint)
    origin = trained.system.trained_on
    known: dict[str, Any] = {
        "selection": {"rule": "given"}, "leaks": evaluation.leaks, "data": data.sources.provenance(),
        "rerank": evaluation.rerank, "interaction": evaluation.interaction,
        **({STARTED: origin.start} if origin is not None and origin.start is not None else {}),
        **({CHANGES: origin.changes} if origin is not None and origin.changes else {}),
    }  # fmt: skip
    return Scored(
        trained.system.name,
        data.name,
        split,
        name,
        section.ties,
        evaluation.track,
        _asked(data.annotations, split, result.query_ids, result.query_pids, "the evaluation"),
        result.query_pids,
        result.per_query,
        tuple(badges_of(known)),
        {"kind": "checkpoint", "path": str(file), "sha256": sha256_file(file)},
    )


def is_record(path: str | Path) -> bool:
    """Whether a path is that of a record: its folder, or its record.json."""
    return Path(path).name == RECORD or (Path(path) / RECORD).is_file()


def from_record(folder: str | Path, protocol: str | None = None, root: str | Path | None = None) -> Scored:
    """Read the ranks of a record; its data set's captions must be on this machine, nothing else.

    Args:
        folder: holds record.json and ranks.npz.
        protocol: one of the record's; default the first of its config's.
        root: folder of the data set, where it is not the record's own.

    Raises:
        ConfigError: if the record has no such protocol.
        DataError: if the record contradicts itself, or the captions here are not those that it was made from.
        RegistryError: if a metric or the data set belongs to a plug-in that is not installed.
    """
    path = Path(folder).parent if Path(folder).name == RECORD else Path(folder)
    record = read_record(path)
    if problems := schema_problems(record):
        raise DataError(f"{shown(path / RECORD)}: {problems[0]}. {CHECK}")
    evidence = read_evidence(path / Path(record["evidence"]["file"]).name)
    known = [name for name in evidence if name in record["results"] and not name.endswith(IMAGE_TO_TEXT)]
    name = protocol or next((name for name in record["config"]["evaluation"]["protocols"] if name in known), "")
    if name not in known:
        raise ConfigError(
            f"--protocol {name}: {shown(path)} has no such results.{did_you_mean(name, known)} "
            f"There are: {', '.join(known)}"
        )
    own = evidence[name]
    try:
        values = per_query(own, record["config"])
        annotations = _annotations(path, record, root)
    except RegistryError as error:
        raise RegistryError(f"{shown(path / RECORD)}: {error}") from None
    for key, problem in disagreements(record["results"][name], recomputed(own, values)):
        raise DataError(f"{shown(path / RECORD)}: results.{name}.{key}: {problem}. {CHECK}")
    split = record["spec"]["split"]
    return Scored(
        record["name"],
        record["spec"]["data"],
        split,
        name,
        record["protocol"]["ties"],
        record["track"],
        _asked(annotations, split, own.query_ids, own.query_pids, shown(path)),
        own.query_pids,
        values,
        tuple(badges_of(record)),
        {"kind": "record", "path": str(path), "sha256": sha256_file(path / RECORD)},
    )


def _annotations(path: Path, record: Mapping[str, Any], root: str | Path | None) -> Annotations:
    """The captions that a record was made from; read only, since a stranger's record may name any folder."""
    component = dict(record["data"]["component"])
    if root is not None:
        component["root"] = str(root)
    dataset = registry.DATASETS.build(component, "data.component")
    source = next((source for source in record["data"]["sources"] if source["role"] == "captions"), None)
    if source is None:
        raise DataError(f"{shown(path / RECORD)}: data.sources: none has the role 'captions'. {CHECK}")
    file = dataset.root / Path(source["file"]).name
    named = "Or name the folder of the data set with --data."
    if not file.is_file():
        raise DataError(f"{shown(file)}: no such file. {dataset.how_to_make(source['source'])}. {named}")
    found = dataset.arrange(read_annotations(file))
    if found.sha256 != annotations_sha256(record):
        raise DataError(f"{shown(file)}: not the captions that {shown(path)} was made from (another hash). {named}")
    return found


def _asked(annotations: Annotations, split: str, ids: np.ndarray, pids: np.ndarray, source: str) -> list[Asked]:
    """(Q,) image and caption of each query."""
    there = {
        caption.caption_id: (record, caption)
        for record in annotations.split(split)
        for caption in record.captions
        if caption.role == QUERY
    }
    found = []
    for caption_id, pid in zip(ids.tolist(), pids.tolist(), strict=True):
        if caption_id not in there or there[caption_id][0].pid != pid:
            raise DataError(f"{source}: {annotations.path} has no caption {caption_id} of person {pid} in {split!r}")
        found.append(there[caption_id])
    return found
