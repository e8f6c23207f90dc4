"""A system and the vectors of its pictures: texts that wait together are embedded and compared together.

Shapes: T texts, G pictures, D width of a vector, K best.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from tbpsbench.interaction.fusion import candidates
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.system import Embedded

# Texts that are embedded together where many wait.
BATCH = 64
# Similarities of texts that are kept of each system, since one click asks for them several times; at least of two.
KEPT_BYTES = 64 << 20
# The best pictures of a text that are kept with its similarities: more than a page shows at first.
KEPT_BEST = 48


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
        self._most = max(2, KEPT_BYTES // (4 * len(gallery)))
        # An export has no sets of vectors: what plays it again must be embedded as it was, by itself.
        self._batch = BATCH if gallery.system.model.cosine else 1
        # A vector's bytes -> what was seen; the thread that embeds writes, and each step is one that Python does whole.
        self._kept: OrderedDict[bytes, Seen] = OrderedDict()
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
            batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
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
            vector_TD = embedded[: self._most]
            for row, seen in enumerate(self._computed(vector_TD)):
                self._keep(vector_TD[row].numpy().tobytes(), seen)
        return embedded

    def unread(self, text: str) -> str:
        """The words at the end of a text that the system's text encoder has no room for; "" where it reads all."""
        return self.gallery.system.tokenizer.unread(text)

    def seen(self, embedded: Embedded) -> Seen:
        """One text's similarity with every picture.

        May differ in the last bit from `alone`: texts that were embedded together are compared together.
        """
        if not isinstance(embedded, Tensor):
            return self._computed(embedded)[0]
        key = embedded.numpy().tobytes()
        seen = self._kept.get(key)
        if seen is None:
            seen = self._computed(embedded)[0]
        self._keep(key, seen)
        return seen

    def alone(self, embedded: Embedded) -> np.ndarray:
        """(G,) float32: one text's similarity with every picture, whatever was asked at the same time."""
        return self._in_order(self.gallery.similarities(embedded))[0]

    def _keep(self, key: bytes, seen: Seen) -> None:
        self._kept[key] = seen
        with suppress(KeyError):  # the other thread may just have dropped it
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def _computed(self, embedded: Embedded) -> list[Seen]:
        score_TG = self._in_order(self.gallery.similarities(embedded))
        found = [
            Seen(score_G.copy(), best_K)
            for score_G, best_K in zip(score_TG, candidates(score_TG, KEPT_BEST), strict=True)
        ]
        for seen in found:
            seen.score_G.setflags(write=False)
            seen.best_K.setflags(write=False)
        return found

    def _in_order(self, score_TG: np.ndarray) -> np.ndarray:
        return score_TG if self._order_G is None else score_TG[:, self._order_G]
