"""From an evaluation to its record: one way for training, tools/test.py and transfer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.config.settings import Settings
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.data.sources import only_trained_on
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.result import Evaluation
from tbpsbench.records.identity import data_key
from tbpsbench.records.make import make_record
from tbpsbench.system import System


def record_of(
    system: System,
    settings: Settings,
    data: EvaluationData,
    evaluation: Evaluation,
    *,
    checkpoint: Path,
    selection: Mapping[str, Any],
    cost: Mapping[str, Any],
    suite: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """The record of an evaluated system, and its evidence.

    Args:
        system: what was evaluated.
        settings: the system's config with the `evaluation` that was asked for.
        data: what it was evaluated on.
        evaluation: what was measured.
        checkpoint: the system's file.
        selection, cost, suite: see `make_record`.
    """
    return make_record(
        name=system.name,
        config=settings.values(),
        checkpoint=checkpoint,
        data=data.name,
        provenance=_provenance(system, data),
        text_length=system.tokenizer.max_length,
        evaluation=evaluation,
        selection=selection,
        cost=cost,
        suite=suite,
        trained_on=_trained_on(system, data),
        started_from=None if system.trained_on is None else system.trained_on.start,
        changes=() if system.trained_on is None else system.trained_on.changes,
    )


def require_recordable(system: System, folder: Path | None) -> None:
    """Refuse to keep a record of an exported system: a record is a row of a board, told from others by its config, and
    the config of an export is that of the system which it was made of.

    Raises:
        ConfigError: if there is a folder to keep it in.
    """
    if folder is not None and "exported" in system.notes:
        raise ConfigError(
            f"{system.name}: an exported system has no record of its own. Leave out --out, or test the checkpoint that "
            "it was made of; what the export loses stands in its README.md."
        )


def _trained_on(system: System, data: EvaluationData) -> str:
    """The training data by name; released weights are taken to be trained on what their config names."""
    if system.trained_on is not None:
        return system.trained_on.name
    own = data_key(system.config["data"]["dataset"]) == data_key(data.sources.component)
    return data.name if own else "unknown"


def _provenance(system: System, data: EvaluationData) -> dict[str, Any]:
    """What the evaluation read, and the texts that the system was trained with, which it did not need to."""
    found = data.sources.provenance()
    if system.trained_on is not None:
        captions, *others = found["sources"]
        read = {source["role"] for source in others}
        trained = [s for s in system.trained_on.provenance["sources"] if only_trained_on(s["role"])]
        told = [dict(source) for source in trained if source["role"] not in read]
        found["sources"] = [captions, *told, *others]
    return found | {"tokenizer_sha256": system.tokenizer.sha256}
