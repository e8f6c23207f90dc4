"""Opening the vectors of a gallery as far as its journal knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench import registry
from tbpsbench.errors import DataError
from tbpsbench.files import storage_error
from tbpsbench.retrieval.base import Index
from tbpsbench.retrieval.description import DESCRIPTION
from tbpsbench.retrieval.items import Items


def open_vectors(folder: Path, told: Mapping[str, Any], items: Items, *, writable: bool) -> Index:
    """The index of a gallery, without what was never committed.

    Args:
        folder: of the vectors, in that of the gallery.
        told: the gallery's description.
        items: what the journal says is there; read again where another process has removed some of it since.
        writable: whether this process may change the index.

    Raises:
        DataError: if vectors are missing or damaged.
        StorageError: if the folder cannot be made.
    """
    if writable:
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise storage_error(folder.parent, error) from error
    context = {"folder": folder, "dim": int(told["dim"]), "writable": writable}
    while True:
        index: Index = registry.INDEXES.build(told["index"], f"{folder.parent / DESCRIPTION}: index", context)
        try:
            if not items.is_begun() and (there := len(index)):
                raise DataError(
                    f"{folder.parent}: holds {there} vectors, and lacks the journal that says of which pictures: the "
                    "index is damaged. Build it again, in another folder."
                )
            index.keep(items.ids())
            if writable:
                items.begin()
            return index
        except DataError:
            index.close()
            if writable or not items.refresh():
                raise  # otherwise another process has removed pictures since the journal was read
