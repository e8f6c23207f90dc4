"""A searchable folder of pictures: a system, the vectors that it made of them, and the table of their files.

    gallery = Gallery.open("my-index")
    for hit in gallery.search(["a woman in a red coat"], k=5)[0]:
        print(hit.rank, hit.score, gallery.path(hit.item))

On the disk an index is a folder:

    index.json    the system's fingerprint, where its checkpoint and the pictures lie, which kind of index
    journal       what was added and removed (items.py): the one place that decides what is there
    journal.end   up to where it was committed at least (journal.py)
    vectors/      the index's own files (slot INDEXES)
    sets/         of systems whose heads compare sets of vectors (sets.py)
    lock          held by the process that writes

Shapes: Q queries, N pictures, K best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.data.images import BadImageError, decode, read_image
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.locking import Lock
from tbpsbench.reading import shown
from tbpsbench.retrieval.description import LOCK, clear, describe, require_same, write_description
from tbpsbench.retrieval.items import Item, Items
from tbpsbench.retrieval.scores import Scores
from tbpsbench.retrieval.sets import Sets
from tbpsbench.retrieval.stored import open_vectors
from tbpsbench.retrieval.writer import Writer
from tbpsbench.system import Embedded, System, load_system
from tbpsbench.vectors import Encoded

JOURNAL, VECTORS, SETS = "journal", "vectors", "sets"
EXACT: Mapping[str, Any] = {"type": "exact"}
Queries: TypeAlias = str | Sequence[str] | Tensor | Encoded


@dataclass(frozen=True, slots=True)
class Hit:
    """One result.

    Attributes:
        item: the picture's number, the same for as long as the index lives.
        score: similarity, larger is better.
        rank: 1 is the best.
    """

    item: int
    score: float
    rank: int


class Gallery:
    """An index with its system and its pictures. Searching is safe in several threads; one process writes.

    Made by `Gallery.open` and `Gallery.create`.

    Attributes:
        folder: of the index.
        root: the folder of the pictures.
        system: that made the vectors, and reads queries.
        index: its vectors.
        writable: whether this process holds the lock, and may add and remove.
    """

    def __init__(
        self, folder: Path, told: Mapping[str, Any], system: System, *, writable: bool, fresh: bool = False
    ) -> None:
        self.folder, self.system, self.writable = folder, system, writable
        self.root, self._told, self._lock = Path(told["pictures"]), told, Lock(folder / LOCK)
        if writable and not self._lock.acquire(patience=0.0):
            raise DataError(f"{folder}: another process is changing this index{self._lock.holder()}. Wait for its end.")
        try:
            self._items = Items(folder / JOURNAL)
            self.index = open_vectors(folder / VECTORS, told, self._items, writable=writable)
            sets = None if system.model.cosine else Sets(folder / SETS, system.model)
            if sets is not None:
                sets.open(self._items.next_id)
            self._scores = Scores(system, self.index, sets)
            self._writer = Writer(system, self._items, self.index, sets)
        except BaseException:
            if fresh:
                clear(folder)
            self._lock.release()
            raise

    @classmethod
    def create(
        cls, folder: str | Path, system: System, pictures: str | Path, *,
        checkpoint: str | Path = "", index: Mapping[str, Any] = EXACT,
    ) -> Gallery:  # fmt: skip
        """Make an empty, writable index.

        Args:
            folder: of the index; must not exist, or be empty.
            system: whose vectors it will hold.
            pictures: the folder of the pictures; files are kept by their path below it.
            checkpoint: where `open` finds the system again.
            index: component of INDEXES.

        Raises:
            DataError: if the folder holds something.
            StorageError: if it cannot be written.
        """
        folder = Path(folder)
        registry.INDEXES.entry(index["type"])  # an unknown name is found before anything is written
        told = write_description(folder, system, pictures, checkpoint, index)
        return cls(folder, told, system, writable=True, fresh=True)

    @classmethod
    def open(
        cls, folder: str | Path, system: System | str | Path | None = None, *,
        writable: bool = False, device: str | torch.device | None = None,
    ) -> Gallery:  # fmt: skip
        """Open an index.

        Args:
            folder: of the index.
            system: the system that made it, or its checkpoint where it has moved; by default the checkpoint that the
                index names.
            writable: also take the lock, and clear away what a killed writer has left.
            device: where the system shall compute.

        Raises:
            DataError: if the folder holds no index, it is damaged, or (writable) another process is changing it.
            CheckpointError: if the system is not there, or is not the one that made the index.
        """
        folder = Path(folder)
        told = describe(folder)
        name, checkpoint = told["system"]["name"], told["system"]["checkpoint"]
        if system is None:
            if not checkpoint or not Path(checkpoint).exists():
                raise CheckpointError(
                    f"{folder}: its system {name!r} is not where it was ({checkpoint or 'no file was named'}). "
                    "Say where it is (--checkpoint)."
                )
            system = checkpoint
        found = system if isinstance(system, System) else load_system(system, device=device)
        require_same(folder, told, found)
        return cls(folder, told, found, writable=writable)

    def close(self) -> None:
        """Write what is left to be written, and give the lock back."""
        if self.writable:
            self.index.flush()
        self.index.close()
        self._lock.release()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ids(self) -> np.ndarray:
        """(N,) int64, ascending: the numbers of the pictures, in the order of `similarities`."""
        return self._items.ids()

    def embed_texts(self, texts: str | Sequence[str]) -> Embedded:
        """Queries as the system embeds them; `search` and `similarities` take them, too.

        Raises:
            DataError: if a text is empty or cannot be written.
        """
        return self.system.encode_text(texts)

    def search(self, queries: Queries, k: int = 10) -> list[list[Hit]]:
        """The k best pictures of each query, best first; fewer where the index holds fewer.

        Where heads compare sets of vectors, the index finds at least `CANDIDATES` by one vector each, which the heads
        then score themselves.

        Args:
            queries: texts, or what `embed_texts` made of them.
            k: at least 1.

        Raises:
            DataError: if a text is empty, embeddings are another system's, or k is not positive.
        """
        score_QK, id_QK = self._scores.search(self._embedded(queries), k)
        return [
            [Hit(int(item), float(score), rank) for rank, (item, score) in enumerate(zip(*found, strict=True), start=1)]
            for found in zip(id_QK, score_QK, strict=True)
        ]

    def similarities(self, queries: Queries) -> np.ndarray:
        """(Q, N) float32: the similarity with every picture, in the order of `ids`.

        Raises:
            DataError: as `search`.
        """
        return self._scores.all(self._embedded(queries))

    def item(self, item_id: int) -> Item:
        """A picture's file, its size and time of change when it was embedded.

        Raises:
            DataError: if the index holds no such picture.
        """
        return self._items[item_id]

    def path(self, item_id: int) -> Path:
        """Where a picture's file lies; never outside the folder of the pictures by its name.

        Raises:
            DataError: if the index holds no such picture.
        """
        return self.root / self._items[item_id].file

    def picture(self, item_id: int) -> Image.Image:
        """A picture, decoded, upright, RGB.

        Raises:
            DataError: if the index holds no such picture, or the file is gone or damaged by now.
        """
        try:
            return decode(read_image(self.path(item_id)))
        except BadImageError as error:
            raise DataError(f"{shown(self._items[item_id].file)}: {error}") from None

    def id_of(self, file: str) -> int | None:
        """The number of a file's picture (its path below `root`), if it is there."""
        return self._items.id_of(file)

    def numbers_of(self, files: Sequence[str]) -> list[int]:
        """The numbers of several files' pictures, each named as it is or as messages show it.

        Raises:
            DataError: if one is not in the index; names it.
        """
        numbers = []
        for file in files:
            if (number := self._items.named(file)) is None:
                near = did_you_mean(file, [shown(own) for own in self.files()])
                raise DataError(
                    f"{shown(file)}: is not in the index {self.folder}.{near} Give paths below {self.root}."
                )
            numbers.append(number)
        return numbers

    def files(self) -> Sequence[str]:
        """The files of all pictures, in the order in which they came."""
        return self._items.files()

    def add(self, items: Sequence[Item], embedded: Embedded, replacing: Sequence[int] = ()) -> range:
        """Take in files with what `System.encode_images` made of them (see `Writer.add`); returns their numbers."""
        return self._writing().add(items, embedded, replacing)

    def remove(self, item_ids: Sequence[int], *, leave_out: bool = True) -> None:
        """Forget pictures (see `Writer.remove`): no search returns them any more when this returns."""
        self._writing().remove(item_ids, leave_out=leave_out)

    def restore(self, files: Sequence[str]) -> None:
        """Let files come back that are left out (see `Writer.restore`)."""
        self._writing().restore(files)

    def left_out(self) -> frozenset[str]:
        """Files that were removed and are not to come back."""
        return self._items.left_out()

    def about(self) -> dict[str, Any]:
        """What reports say: system, pictures, kind of index."""
        told = self._told
        return {
            "system": told["system"]["name"], "fingerprint": told["system"]["fingerprint"], "pictures": len(self),
            "root": str(self.root), "index": told["index"], **self.index.about(),
        }  # fmt: skip

    def _writing(self) -> Writer:
        if not self.writable:
            raise DataError(f"{self.folder}: was opened for searching; open it with writable=True to change it")
        return self._writer

    def _embedded(self, queries: Queries) -> Embedded:
        if isinstance(queries, Tensor | Encoded):
            return queries.float()
        return self.system.encode_text(queries)
