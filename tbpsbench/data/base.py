"""What a data set promises: it turns its official release into our annotation file, and loads annotation files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tbpsbench.annotations import Annotations, read_annotations
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_file
from tbpsbench.reading import given_path

if TYPE_CHECKING:
    import numpy as np

    from tbpsbench.types import ImageRecord

Expected = Mapping[str, Mapping[str, int]]


class PersonSearchDataset(ABC):
    """Base of the slot DATASETS.

    Args:
        root: folder of the data set; the annotation files lie directly in it, one per caption source.

    Attributes:
        name: as the literature writes it.
        annotation_files: official file names that `prepare` accepts, in order of preference.
        arrays: names of what it can read of an image besides its picture (a mask, key points); `data.extras` asks.
        expected: official counts per split, {"train": {"ids": ..., "images": ..., "captions": ...}}; None if unknown.
    """

    name: ClassVar[str]
    annotation_files: ClassVar[tuple[str, ...]] = ()
    expected: ClassVar[Expected | None] = None
    arrays: ClassVar[tuple[str, ...]] = ()

    def __init__(self, root: str) -> None:
        self.root = given_path(root)

    @property
    def title(self) -> str:
        """What annotations and tables call it: the literature's name, or of data of one's own another."""
        return self.name

    @property
    def population(self) -> str:
        """Names the people whom the identities number: equal for data sets whose equal numbers are one person."""
        return self.name

    @abstractmethod
    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        """Write ROOT/human.jsonl from what the owners of the data set ship, and return its path.

        Args:
            splits_file: JSON that maps a file path or an identity to its split, for releases that come without.
            allow_partial: accept counts that differ from the official ones; the header then says so.
            allow_missing: leave out the images that are not there, with their captions; the header then says so.

        Raises:
            DataError: if the release is missing, damaged, contradicts itself, or is not the official one.
            StorageError: if the file cannot be written.
        """

    def prepared(self, splits_file: str | Path | None = None) -> Annotations | None:
        """What ROOT/human.jsonl holds, if it is sound and was made from the release that is there now; else None.

        Args:
            splits_file: one that it must have been made with; None accepts any.
        """
        source = next((self.root / name for name in self.annotation_files if (self.root / name).is_file()), None)
        if source is None:
            return None
        told: dict[str, object] = {"file": source.name, "sha256": sha256_file(source)}
        told |= {"splits_sha256": sha256_file(splits_file)} if splits_file is not None else {}
        return self._if_made_from(told)

    def _if_made_from(self, told: Mapping[str, object]) -> Annotations | None:
        """What ROOT/human.jsonl holds, if its header tells all of this."""
        try:
            annotations = read_annotations(self.root / "human.jsonl")
        except DataError:
            return None
        made = annotations.header.get("made_from", {})
        return annotations if all(made.get(key) == value for key, value in told.items()) else None

    def load(self, captions: str = "human") -> Annotations:
        """Read the annotation file of one caption source.

        Args:
            captions: its name, ROOT/<captions>.jsonl.

        Raises:
            DataError: if it is missing (with the command that makes it) or damaged.
        """
        path = self.root / f"{captions}.jsonl"
        if not path.is_file():
            raise DataError(f"{path}: no such file. {self.how_to_make(captions)}")
        return self.arrange(read_annotations(path))

    def arrange(self, annotations: Annotations) -> Annotations:
        """Annotations with the splits that this data set's arguments ask for; by default as they are."""
        return annotations

    def array(self, name: str, record: ImageRecord) -> np.ndarray:
        """One of `arrays` for one image: numbers, of one shape for all images; read when a sample is made.

        Raises:
            DataError: if it cannot be read.
        """
        raise DataError(f"{type(self).__name__} has no array {name!r} of {record.file}")

    def how_to_make(self, captions: str) -> str:
        """What to do when an annotation file is missing."""
        if captions == "human":
            return f"Create it with: python tools/prepare_data.py {type(self).__name__} {self.root}"
        there = sorted(path.stem for path in self.root.glob("*.jsonl"))
        return f"Create it with tools/caption.py. Caption sources in {self.root}: {', '.join(there) or 'none'}"
