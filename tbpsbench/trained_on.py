"""What a system says of its training data, kept with its weights: the leak guard and records read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tbpsbench.metrics.leaks import TrainingTexts


@dataclass(frozen=True)
class TrainedOn:
    """What a system was trained on.

    Attributes:
        name: the data set, as tables call it.
        provenance: the caption files with their hashes (see `Sources.provenance`).
        texts: what the leak guard must know of the training texts.
        hashes: SHA-256 of each caption file.
        start: the system that training started from (records/started.py); None where it started from scratch.
        changes: of the config while it was trained (records/changed.py).
    """

    name: str
    provenance: Mapping[str, Any]
    texts: TrainingTexts
    hashes: Mapping[str, str]
    start: Mapping[str, Any] | None = None
    changes: Sequence[Mapping[str, Any]] = ()

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "provenance": dict(self.provenance),
            "texts": self.texts.to_plain(),
            "hashes": dict(self.hashes),
            **({} if self.start is None else {"start": dict(self.start)}),
            **({"changes": [dict(change) for change in self.changes]} if self.changes else {}),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TrainedOn:
        """Back from `to_plain`."""
        texts = TrainingTexts.from_plain(plain["texts"])
        changes = tuple(plain.get("changes", ()))
        return cls(str(plain["name"]), plain["provenance"], texts, plain["hashes"], plain.get("start"), changes)
