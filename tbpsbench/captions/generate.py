"""Captioning the images of a data set: many at once, until each has a record or a failure, or nothing goes any more.

Nothing is decided here about what is asked (the source) or how a server is treated (mllm/). A run that stops, whatever
the reason, has kept every image that was finished, and goes on with the others when it is started again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tbpsbench import __version__
from tbpsbench.captions.ask import Asker, Decoding, Unsound
from tbpsbench.captions.generated import Draft, GeneratedSource
from tbpsbench.captions.store import Store
from tbpsbench.errors import TBPSError
from tbpsbench.files import sha256_bytes
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.types import ImageRecord

IMAGES_AT_ONCE = 32
Done = Callable[[bool], None]


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        made, failed: images with a new record, with a new failure.
        reasons: of the failures, counted.
        stopped: why it ended before the last image, or None.
    """

    made: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    stopped: TBPSError | None = None


async def generate(
    source: GeneratedSource,
    images: Iterable[ImageRecord],
    root: Path,
    clients: Mapping[str, MLLMClient],
    store: Store,
    decoding: Decoding,
    *,
    at_once: int = IMAGES_AT_ONCE,
    again: bool = False,
    finished: Done | None = None,
) -> Outcome:
    """Caption images that have no record yet.

    Args:
        source: what is asked.
        images: all of them; those that are in the store are passed over.
        root: folder that their files are relative to.
        clients: who is asked.
        store: where records and failures go.
        decoding: how models answer.
        at_once: images that are worked on at the same time.
        again: ask anew about images that failed before, whatever was replied then.
        finished: called after each image with whether it has a record.

    Returns:
        What was done; `stopped` says why it ended early. Nothing is raised for a run that can go on later.
    """
    todo = iter([image for image in images if image.file not in store.done])
    again_for = frozenset(store.failed) if again else frozenset()
    run = _Run(source, root, clients, store, decoding, again_for, uuid.uuid4().hex[:12], finished or (lambda _: None))
    return await run.all(todo, at_once)


@dataclass
class _Run:
    source: GeneratedSource
    root: Path
    clients: Mapping[str, MLLMClient]
    store: Store
    decoding: Decoding
    again: frozenset[str]
    id: str
    finished: Done
    outcome: Outcome = field(default_factory=Outcome)

    async def all(self, todo: Iterator[ImageRecord], at_once: int) -> Outcome:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, at_once)):
                group.create_task(self._work(todo))
        return self.outcome

    async def _work(self, todo: Iterator[ImageRecord]) -> None:
        """Image after image; after a stop no new one is begun, those under way end by themselves."""
        for image in todo:
            if self.outcome.stopped is not None:
                return
            try:
                made = await self._one(image)
            except TBPSError as error:
                self.outcome.stopped = self.outcome.stopped or error
                return
            self.outcome.made += made
            self.outcome.failed += not made
            self.finished(made)

    async def _one(self, image: ImageRecord) -> bool:
        """One record or one failure."""
        path = self.root / image.file
        asker = Asker(self.clients, self.decoding, again=image.file in self.again)
        try:
            asker.picture = read_picture(path)
            draft = await self.source.write(image, path, asker)
        except ItemError as error:
            self._fail(image, asker, error.reason, error.detail, retry_later=error.retry_later)
            return False
        except Unsound as error:
            reason = error.reasons[0].partition(":")[0]
            self._fail(image, asker, reason, str(error), text=error.text, reasons=list(error.reasons), what=error.what)
            return False
        self.store.add(self._line(image, asker) | self._made(draft))
        return True

    def _fail(self, image: ImageRecord, asker: Asker, reason: str, detail: str, **more: Any) -> None:
        self.store.fail(self._line(image, asker) | {"reason": reason, "detail": detail[:2000], **more})
        self.outcome.reasons[reason] = self.outcome.reasons.get(reason, 0) + 1

    def _line(self, image: ImageRecord, asker: Asker) -> dict[str, Any]:
        return {
            "image_id": image.file,
            "number": image.image_id,
            "image_sha256": asker.picture.sha256 if asker.picture is not None else None,
            "split": image.split,
            "kind": self.source.name,
            **made_with(self.source, self.clients, self.decoding),
            "simulated": any(self.clients[who].simulated for who in self.source.clients),
            "servers": sorted(asker.servers),
            "usage": asker.usage.plain(),
            "attempts": asker.attempts,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool_version": __version__,
            "run_id": self.id,
        }

    @staticmethod
    def _made(draft: Draft) -> dict[str, Any]:
        return {"texts": [text.plain() for text in draft.texts], **draft.log}


def made_with(source: GeneratedSource, clients: Mapping[str, MLLMClient], decoding: Decoding) -> dict[str, Any]:
    """Who is asked, what and how, as a record or a failure says it."""
    return {
        "model": {who: clients[who].name for who in source.clients},
        "prompts": {prompt.name: prompt.version for prompt in source.prompts()},
        "sampling": dict(vars(decoding)),
    }


def of_shard(images: Iterable[ImageRecord], shard: tuple[int, int]) -> list[ImageRecord]:
    """The images of shard (number, count): by the hash of their name, so that they do not depend on the list."""
    number, count = shard
    return [image for image in images if int(sha256_bytes(image.file.encode())[:8], 16) % count == number]
