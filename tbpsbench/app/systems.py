"""One or two systems on the same pictures, in one order, so that a position means the same picture to both.

Shapes: G pictures, D width of a vector.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tbpsbench.app.searched import Searched
from tbpsbench.errors import DataError
from tbpsbench.mllm.messages import Picture
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.system import Embedded

# Pictures whose ranking takes less than a millisecond.
AT_ONCE = 50_000
MAX_SYSTEMS = 2
Result = TypeVar("Result")


class Systems:
    """What the page searches.

    Args:
        galleries: one, or two of the same folder of pictures.

    Raises:
        DataError: if there are no pictures, or two galleries have none in common.
    """

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        if not 1 <= len(galleries) <= MAX_SYSTEMS:
            raise DataError(f"{len(galleries)} indexes, expected one or two")
        first, *others = galleries
        for gallery in galleries:
            if not len(gallery):
                raise DataError(
                    f"{gallery.folder}: holds no pictures. Fill it: python tools/index.py CHECKPOINT IMAGES --out INDEX"
                )
        for other in others:
            if other.root.resolve() != first.root.resolve():
                raise DataError(
                    f"{other.folder}: its pictures lie in {other.root}, those of {first.folder} in {first.root}. "
                    "Two systems are compared on the same folder of pictures."
                )
        common = None if not others else set(first.files()).intersection(*(other.files() for other in others))
        if common is not None and not common:
            raise DataError(f"{first.folder} and {others[0].folder} have no picture in common")
        self._first = first
        self._item_G = first.ids
        self.only_in_one = 0
        if common is not None:
            self.only_in_one = sum(len(gallery) - len(common) for gallery in galleries)
            self._item_G = np.array([item for item in first.ids if first.item(int(item)).file in common])
        self.searched = tuple(
            Searched(gallery, self._columns(gallery, whole=len(gallery) == len(self)), letter)
            for gallery, letter in zip(galleries, "AB", strict=False)
        )
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="search")
        self._root = first.root.resolve()

    def __len__(self) -> int:
        return len(self._item_G)

    def _columns(self, gallery: Gallery, *, whole: bool) -> np.ndarray | None:
        if gallery is self._first and whole:
            return None
        column = {int(item): number for number, item in enumerate(gallery.ids)}
        files = [self._first.item(int(item)).file for item in self._item_G]
        return np.array([column[item] for item in gallery.numbers_of(files)])

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a function in a thread of the search's own."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def think(self, work: Callable[[], Result]) -> Result:
        """Run a function that looks at similarities: here where that is sooner done than handed to a thread."""
        return work() if len(self) <= AT_ONCE else await self.run(work)

    async def embed(self, text: str) -> tuple[Embedded, ...]:
        """A text as every system embeds it.

        Raises:
            DataError: if the text is empty or cannot be written.
        """
        return tuple([await searched.embed(text, self.run) for searched in self.searched])

    @cached_property
    def fingerprint(self) -> str:
        """Names the pictures and their order, so that a session is not played again on others; no file's name shows."""
        digest = hashlib.sha256()
        for item in self._item_G:
            digest.update(os.fsencode(self._first.item(int(item)).file) + b"\0")
        return digest.hexdigest()[:32]

    def picture(self, position: int) -> Image.Image:
        """A picture, decoded.

        Raises:
            DataError: if it is gone, damaged or by now a link out of the folder.
        """
        self._require_inside(position)
        return self._first.picture(int(self._item_G[position]))

    def picture_file(self, position: int) -> Picture:
        """A picture as a multimodal model gets it.

        Raises:
            DataError: as `picture`.
            ItemError: if it is no image any more.
        """
        self._require_inside(position)
        return read_picture(self._first.path(int(self._item_G[position])))

    def _require_inside(self, position: int) -> None:
        path = self._first.path(int(self._item_G[position]))
        if not path.resolve().is_relative_to(self._root):
            raise DataError("the picture is a link to a file outside the folder of pictures")

    def close(self) -> None:
        """Give back files and threads."""
        self._threads.shutdown(cancel_futures=True)
        for searched in self.searched:
            searched.gallery.close()


def packed(embedded: Embedded) -> str | None:
    """A vector as text for an export; None for systems that compare sets of vectors."""
    if not isinstance(embedded, Tensor):
        return None
    return base64.b64encode(embedded.numpy().astype("<f4").tobytes()).decode()


def unpacked(text: object, like: Embedded, what: str) -> Embedded:
    """Back from `packed`, if it is what the system makes of the text.

    Args:
        text: from an export.
        like: what the system makes of it now.
        what: the text that was embedded, for the message.

    Raises:
        DataError: if it is damaged, or another system's.
    """
    if text is None or not isinstance(like, Tensor):
        return like
    try:
        raw = base64.b64decode(str(text), validate=True)
        vector_1D = torch.from_numpy(np.frombuffer(raw, "<f4").astype(np.float32)[None])
    except ValueError as error:
        raise DataError(f"the vector of {what!r:.60} is damaged ({error})") from None
    # Batches and processors differ in the last bits; another system differs in the first.
    if vector_1D.shape != like.shape or not torch.allclose(vector_1D, like, rtol=1e-3, atol=1e-4):
        raise DataError(f"the vector of {what!r:.60} is not this system's")
    return vector_1D
