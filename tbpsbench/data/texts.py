"""Texts of a split, tokenised once and kept as arrays that loader workers share without copying.

Shapes: M texts, T tokens of one text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tbpsbench.annotations import Annotations, raise_problems
from tbpsbench.data.carving import CARVED
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import DataError
from tbpsbench.types import Caption, ImageRecord, Tokens

TRAIN = "train"
AGAIN = "Write the file again: python tools/caption.py CONFIG --resume always; what was answered is not asked again."


@dataclass(frozen=True)
class TextTable:
    """Tokenised texts.

    Attributes:
        ids_MT: (M, T) int32, padded.
        length_M: (M,) int32, real tokens.
        caption_id_M: (M,) int64, -1 for a text that is in no annotation file.
    """

    ids_MT: np.ndarray
    length_M: np.ndarray
    caption_id_M: np.ndarray

    def __len__(self) -> int:
        return len(self.ids_MT)

    def tokens(self, rows: np.ndarray) -> Tokens:
        """Tokens of several rows: (B, T)."""
        mask_BT = np.arange(self.ids_MT.shape[1]) < self.length_M[rows][:, None]
        return Tokens(torch.from_numpy(self.ids_MT[rows].astype(np.int64)), torch.from_numpy(mask_BT))


class TextStore:
    """Every text of a run, tokenised once, whoever asks for it and however often.

    Args:
        tokenizer: for all texts.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._row: dict[str, int] = {}
        self._ids_MT = np.zeros((0, tokenizer.max_length), dtype=np.int32)
        self._length_M = np.zeros(0, dtype=np.int32)

    def table(self, captions: Sequence[Caption]) -> TextTable:
        """Captions in their order; those that are new are tokenised in one go."""
        new = list(dict.fromkeys(caption.text for caption in captions if caption.text not in self._row))
        if new:
            ids_MT, length_M = self.tokenizer.arrays(new)
            self._row |= {text: len(self._row) + position for position, text in enumerate(new)}
            self._ids_MT = np.concatenate([self._ids_MT, ids_MT])
            self._length_M = np.concatenate([self._length_M, length_M])
        rows = np.array([self._row[caption.text] for caption in captions], dtype=np.int64)
        caption_ids = np.array([caption.caption_id for caption in captions], dtype=np.int64)
        return TextTable(self._ids_MT[rows], self._length_M[rows], caption_ids)


@dataclass(frozen=True)
class RoleTexts:
    """Texts of one role for the images of a split; an image may have several.

    Attributes:
        table: all texts, those of one image next to each other.
        first: (images + 1,) int64: image number i of the split has rows first[i] .. first[i + 1] - 1.
    """

    table: TextTable
    first: np.ndarray

    def pick(self, image: int, rng: np.random.Generator) -> int:
        """A row for image number `image` of the split, drawn if there are several."""
        low, high = int(self.first[image]), int(self.first[image + 1])
        return low if high - low == 1 else int(rng.integers(low, high))


def records_of(annotations: Annotations, split: str) -> list[ImageRecord]:
    """Records of a split.

    Raises:
        DataError: if there are none; names the splits that exist.
    """
    records = annotations.split(split)
    if not records:
        there = ", ".join(annotations.splits())
        raise DataError(
            f"{annotations.path}: no images in the split {split!r}; there are: {there}.{_way_out(annotations, split)}"
        )
    return records


def _way_out(annotations: Annotations, split: str) -> str:
    """What helps where a validation split is missing."""
    if not split.startswith("val") or CARVED in annotations.splits():
        return ""
    last = "evaluation.selection='last' takes the last epoch and needs none."
    if CARVED in annotations.header.get("notes", {}):
        people = len({record.pid for record in annotations.records if record.split == TRAIN})
        return f" val_carve moved no identity: it draws 5 % of them by hash, and {people} are too few. {last}"
    if annotations.dataset in ("ICFG-PEDES", "UFine6926"):
        return (
            f" {annotations.dataset} has no validation split; data.dataset.val_carve=True creates 'val-carved'. {last}"
        )
    return f" Put identities of their own into it, or choose no epoch: {last}" if split == "val" else ""


def role_texts(
    records: Sequence[ImageRecord],
    extra: Sequence[Annotations],
    store: TextStore,
    skip: Collection[str] = (),
    needed: Collection[int] | None = None,
) -> dict[str, RoleTexts]:
    """Texts of every role that caption files hold for these images, matched by image_id; roles in `skip` left out.

    Args:
        records: the images.
        extra: the files.
        store: tokenises their texts.
        skip: roles that are left out.
        needed: positions of the images that must have a text of every role; None for all.

    Raises:
        DataError: if a file belongs to another data set or release, two files hold the same role, or an image has no
            text of a role that others have.
    """
    found: dict[str, RoleTexts] = {}
    for source in extra:
        per_image = [matching(record, source).captions for record in records]
        for role in sorted({caption.role for captions in per_image for caption in captions} - set(skip)):
            if role in found:
                raise DataError(f"{source.path}: the role {role!r} is in another caption file, too; give one")
            groups = [[caption for caption in captions if caption.role == role] for captions in per_image]
            raise_problems(source.path, [
                f"image {record.file!r} (image_id {record.image_id}) has no text of the role {role!r}"
                for position, (record, group) in enumerate(zip(records, groups, strict=True))
                if not group and (needed is None or position in needed)
            ])  # fmt: skip
            first = np.cumsum([0, *map(len, groups)], dtype=np.int64)
            found[role] = RoleTexts(store.table([c for group in groups for c in group]), first)
    return found


def matching(record: ImageRecord, annotations: Annotations) -> ImageRecord:
    """The same image in another annotation file.

    Raises:
        DataError: if the file was made for other annotations.
    """
    other = annotations.records[record.image_id] if record.image_id < len(annotations.records) else None
    if other is not None and other.file == record.file and other.pid != record.pid:
        raise DataError(
            f"{annotations.path}: made when the identities had other numbers: {record.file!r} is of "
            f"{other.pid} there, and of {record.pid} by now. {AGAIN}"
        )
    if other is None or other.file != record.file:
        raise DataError(
            f"{annotations.path}: made for other annotations: image_id {record.image_id} is "
            f"{'missing' if other is None else repr(other.file)}, expected {record.file!r}. Create the captions again."
        )
    # What is carved out of the training images, or is not, follows from the identity alone.
    if {other.split, record.split} != {TRAIN, CARVED} and other.split != record.split:
        raise DataError(
            f"{annotations.path}: made for other splits: {record.file!r} is in {other.split!r} there, and in "
            f"{record.split!r} by now. {AGAIN}"
        )
    return other
