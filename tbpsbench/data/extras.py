"""Extras: what a data set knows of its images besides captions and identity, by name, as tensors of a training batch.

    numbers       int64, or float32 where one of them is not whole
    truth values  int64, 0 or 1
    texts         int64 codes: positions among the sorted values of the training images
    arrays        as the data set gives them (masks, key points); lists of numbers are arrays, float32

Shapes: N images of the split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbpsbench.annotations import raise_problems
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.errors import DataError
from tbpsbench.types import ImageRecord

SHOWN = 12
FIELDS = ("camera", "outfit")  # of a record, which its attributes need not repeat


class Extras:
    """The named attributes of a split's images.

    Args:
        dataset: the data set; reads those of its `arrays` image by image.
        records: N images.
        names: attributes, or names among the data set's `arrays`.

    Attributes:
        values: name -> the texts that its codes stand for, of attributes that are texts.

    Raises:
        DataError: if an image lacks an attribute, or its values are of different kinds or shapes.
    """

    def __init__(self, dataset: PersonSearchDataset, records: Sequence[ImageRecord], names: Sequence[str]) -> None:
        self._dataset, self._records = dataset, records
        self._read = tuple(name for name in names if name in dataset.arrays)
        self.values: dict[str, tuple[str, ...]] = {}
        self._kept: dict[str, Tensor] = {}
        for name in names:
            if name not in self._read:
                self._kept[name] = self._column(name)
        self._shape = {name: self._array(name, records[0]).shape for name in self._read}

    @property
    def facts(self) -> dict[str, int]:
        """For `from_data:num_NAME` in a config: how many values an attribute of texts has."""
        return {f"num_{name}": len(values) for name, values in self.values.items()}

    def of(self, position: int) -> dict[str, Tensor]:
        """The extras of the image at a position in the records.

        Raises:
            DataError: if the data set cannot read an array.
        """
        found = {name: column_N[position] for name, column_N in self._kept.items()}
        for name, shape in self._shape.items():
            array = self._array(name, self._records[position])
            if array.shape != shape:
                raise DataError(
                    f"extra {name!r} of {self._records[position].file} has the shape {array.shape}, others have {shape}"
                )
            found[name] = torch.from_numpy(array)
        return found

    def _array(self, name: str, record: ImageRecord) -> np.ndarray:
        array = np.ascontiguousarray(self._dataset.array(name, record))
        if array.dtype.kind not in "biuf":
            raise DataError(f"extra {name!r} of {record.file}: {array.dtype} is no array of numbers")
        return array

    def _column(self, name: str) -> Tensor:
        given = [_value(record, name) for record in self._records]
        self._refuse_gaps(name, given)
        if all(isinstance(value, str) for value in given):
            self.values[name] = tuple(sorted({*given}))
            code = {value: number for number, value in enumerate(self.values[name])}
            return torch.tensor([code[value] for value in given])
        try:
            column_N = np.array(given)
        except ValueError:  # lists of different lengths
            column_N = np.array(given, dtype=object)
        if column_N.dtype.kind not in "biuf":
            kinds = sorted({type(value).__name__ for value in given})
            raise DataError(
                f"data.extras: {name!r} cannot be batched: its values are of the kinds {', '.join(kinds)}. Expected a "
                "number for every image, or a text for every image, or a list of equally many numbers."
            )
        whole = column_N.ndim == 1 and column_N.dtype.kind != "f"
        return torch.from_numpy(column_N.astype(np.int64 if whole else np.float32))

    def _refuse_gaps(self, name: str, given: Sequence[object]) -> None:
        lacking = [record.file for record, value in zip(self._records, given, strict=True) if value is None]
        if len(lacking) == len(given):
            given_fields = {key for key in FIELDS if any(getattr(record, key) is not None for record in self._records)}
            known = sorted(
                {key for record in self._records for key in record.attributes} | {*self._dataset.arrays} | given_fields
            )
            more = ", ..." if len(known) > SHOWN else ""
            raise DataError(
                f"data.extras: no image of {self._dataset.title} has the attribute {name!r}. "
                f"There are: {', '.join(known[:SHOWN]) or 'none'}{more}"
            )
        raise_problems(
            self._dataset.root, [f"image {file!r} has no attribute {name!r} (data.extras)" for file in lacking]
        )


def _value(record: ImageRecord, name: str) -> Any:
    return record.attributes.get(name, getattr(record, name) if name in FIELDS else None)
