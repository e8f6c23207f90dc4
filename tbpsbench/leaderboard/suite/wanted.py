"""Which records a task of a suite must leave, and whether they are there already.

A record is the wanted one if system, seed and data set agree and it asked the captions that lie in the data set's
folder here. Where no annotation file lies there, the config must do: data sets of plug-ins are then told apart by their
folders, since two of one type may hold anything, and other captions than the system's own by their source.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tbpsbench import registry
from tbpsbench.config.caption_files import OWN, caption_source
from tbpsbench.config.settings import Settings
from tbpsbench.errors import TBPSError
from tbpsbench.files import sha256_file
from tbpsbench.records.identity import (
    annotations_sha256,
    data_key,
    other_captions,
    record_identity,
    root_matters,
    same_data,
    system_key,
)
from tbpsbench.records.usable import usable_records

Identity = tuple[str, int, str, str]
Shelf = dict[Identity, list[Mapping[str, Any]]]


@dataclass(frozen=True)
class Wanted:
    """A record that a task must leave.

    Attributes:
        identity: see `record_identity`.
        component: the data set that is evaluated.
        annotations: the file with its captions, which need not be there; None if a plug-in is needed to know it.
        own_captions: whether they are from the source that the system was trained with.
    """

    identity: Identity
    component: Mapping[str, Any]
    annotations: Path | None
    own_captions: bool

    def is_among(self, there: Shelf) -> bool:
        """Whether such a record is there."""
        return any(self._asked(record) for record in there.get(self.identity, ()))

    def _asked(self, record: Mapping[str, Any]) -> bool:
        """Whether a record of this system, seed and kind of data asked the captions that are meant."""
        if self.annotations is not None and self.annotations.is_file():
            return annotations_sha256(record) == _sha256(self.annotations, self.annotations.stat().st_mtime_ns)
        return same_data(self.component, record["data"]["component"]) and (self.own_captions or other_captions(record))


def wanted_record(name: str, seed: int, own: Settings, evaluated: Settings) -> Wanted:
    """The record of a system on the data that another config names.

    Args:
        name, seed: of the run.
        own: its config.
        evaluated: the config that names the data, which may be its own.
    """
    component = evaluated.data.dataset
    identity = (name, seed, system_key(own.values()), data_key(component))
    return Wanted(identity, component, _annotation_file(evaluated), own.data.captions == evaluated.data.captions)


def all_there(wanted: Sequence[Wanted], there: Shelf) -> bool:
    """Whether nothing is left to do for a task."""
    return all(one.is_among(there) for one in wanted)


def records_there(root: Path, names: Collection[str]) -> Shelf:
    """The records of some systems by their identity; what others have put there is not looked at.

    A record that is damaged or older is not the one that is wanted.
    """
    found: Shelf = {}
    for _, record in usable_records(root).records if root.is_dir() else []:
        if record["name"] in names:
            found.setdefault(record_identity(record), []).append(record)
    return found


def _annotation_file(settings: Settings) -> Path | None:
    try:
        dataset = registry.DATASETS.build(settings.data.dataset, "data.dataset")
        source = registry.CAPTION_SOURCES.build(caption_source(settings.data.captions), "data.captions")
        name = source.name if source.queries else OWN
    except TBPSError:
        return None
    if root_matters(settings.data.dataset):
        with suppress(TBPSError):  # what is not there cannot be out of date
            dataset.load(name)  # a file that is made from another one is made again if that has changed
    return Path(dataset.root) / f"{name}.jsonl"


@cache
def _sha256(path: Path, _modified: int) -> str:
    return sha256_file(path)
