"""One or two systems on the same pictures, in one order, so that a position means the same picture to both.

Shapes: G pictures, D width of a vector.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tbpsbench.errors import DataError
from tbpsbench.interaction.fusion import candidates
from tbpsbench.mllm.messages import Picture
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.system import Embedded

# Texts that are embedded together where many wait.
BATCH = 32
# Similarities of texts that are kept of each system, since one click asks for them several times; at least of two.
KEPT_BYTES = 64 << 20
# The best pictures of a text that are kept with its similarities: more than a page shows at first.
KEPT_BEST = 48
# Pictures whose ranking takes less than a millisecond.
AT_ONCE = 50_000
MAX_SYSTEMS = 2
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Seen:
    """How alike a text and the pictures are, in the common order; neither array can be written to.

    Attributes:
        score_G: (G,) float32 similarities.
        best_K: positions of the K highest, best first; equal ones in the common order.
    """

    score_G: np.ndarray
    best_K: np.ndarray


class Searched:
    """A system and the vectors of its pictures.

    Args:
        gallery: its index.
        order_G: columns of `gallery.similarities` in the common order; None where that is its own.
        letter: how the page calls it where there are two.
    """

    def __init__(self, gallery: Gallery, order_G: np.ndarray | None, letter: str) -> None:
        self.gallery, self.letter = gallery, letter
        self.name = gallery.system.name
        self.fingerprint = str(gallery.about()["fingerprint"])
        self._order_G = order_G
        self._kept = lru_cache(max(2, KEPT_BYTES // (4 * len(gallery))))(self._of_vector)
        self._waiting: list[tuple[str, asyncio.Future[Embedded]]] = []
        self._working: asyncio.Task[None] | None = None

    async def embed(self, text: str, run: Callable[[Callable[[], Embedded]], Any]) -> Embedded:
        """A text as the system embeds it; texts that wait at the same time are embedded together.

        Args:
            text: not empty.
            run: runs a function in a thread.

        Raises:
            DataError: if the text is empty or cannot be written.
        """
        future: asyncio.Future[Embedded] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(run))
        return await future

    async def _work(self, run: Callable[[Callable[[], Embedded]], Any]) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            texts = [text for text, _ in batch]
            try:
                embedded = await run(lambda texts=texts: self._embedded(texts))  # type: ignore[misc]
            except Exception as error:  # each of them shall hear of it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for row, (_, future) in enumerate(batch):
                if not future.done():
                    future.set_result(embedded[row : row + 1])

    def _embedded(self, texts: Sequence[str]) -> Embedded:
        """Texts as the system embeds them; their similarities are kept, since they are asked for next."""
        embedded = self.gallery.embed_texts(texts)
        if isinstance(embedded, Tensor):
            for row in range(len(texts)):
                self.seen(embedded[row : row + 1])
        return embedded

    def seen(self, embedded: Embedded) -> Seen:
        """One text's similarity with every picture.

        Always one text at a time: products of matrices of other shapes may differ in the last bit, and a session that
        is played again must not.
        """
        if isinstance(embedded, Tensor):
            return self._kept(embedded.numpy().tobytes())
        return self._computed(embedded)

    def _of_vector(self, raw: bytes) -> Seen:
        return self._computed(torch.from_numpy(np.frombuffer(raw, np.float32)[None].copy()))

    def _computed(self, embedded: Embedded) -> Seen:
        score_G = self._in_order(self.gallery.similarities(embedded)[0])
        best_K = candidates(score_G[None], KEPT_BEST)[0]
        for found in (score_G, best_K):
            found.setflags(write=False)
        return Seen(score_G, best_K)

    def _in_order(self, score_G: np.ndarray) -> np.ndarray:
        return score_G if self._order_G is None else score_G[self._order_G]


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
            digest.update(self._first.item(int(item)).file.encode() + b"\0")
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
