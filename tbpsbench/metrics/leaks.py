"""The leak guard: what an evaluation must not have known (docs/protocol.md, leak guard).

It is told by what was passed to the evaluation, never by what an author declares.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from tbpsbench.errors import LeakError
from tbpsbench.types import Caption

MAX_SHOWN = 5
SHA256 = re.compile(r"[0-9a-f]{64}")


def normalized(text: str) -> str:
    """A text without differences of case and white space."""
    return " ".join(text.split()).casefold()


@dataclass(frozen=True)
class MadeText:
    """A training text that was made from another text; its words are not kept.

    Attributes:
        caption_id, image_id: as in its annotation file.
        sha256: of the text.
        derived_from: SHA-256 of the text that it was made from.
        own: whether that is a training text of the same image, which a test query may happen to repeat.
    """

    caption_id: int
    image_id: int
    sha256: str
    derived_from: str
    own: bool


@dataclass(frozen=True)
class TrainingTexts:
    """What the guard must know of the texts that a model was trained on; a checkpoint keeps it.

    Attributes:
        population: names the people whom `pids` number; identities of another population are other people.
        pids: identities that the texts describe.
        made: the texts that were made from other texts.
        earlier: the texts of the systems that training started from, which may be of other people.
    """

    population: str
    pids: frozenset[int]
    made: tuple[MadeText, ...] = ()
    earlier: tuple[TrainingTexts, ...] = ()

    @classmethod
    def of(
        cls, captions: Iterable[tuple[Caption, int]], population: str, further: Iterable[MadeText] = ()
    ) -> TrainingTexts:
        """From every training text and the identity that it describes.

        Args:
            captions: the texts.
            population: of the identities.
            further: what else was made from texts, such as styles.
        """
        pairs = list(captions)
        derived = [caption for caption, _ in pairs if SHA256.fullmatch(caption.derived_from)]
        own = {(caption.image_id, caption.sha256) for caption, _ in pairs} if derived else set()
        made = (
            MadeText(c.caption_id, c.image_id, c.sha256, c.derived_from, (c.image_id, c.derived_from) in own)
            for c in derived
        )
        return cls(population, frozenset(pid for _, pid in pairs), (*made, *further))

    def to_plain(self) -> dict[str, Any]:
        """As plain data, for a checkpoint."""
        return {
            "population": self.population,
            "pids": sorted(self.pids),
            "made": [list(astuple(text)) for text in self.made],
            **({"earlier": [texts.to_plain() for texts in self.earlier]} if self.earlier else {}),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TrainingTexts:
        """Back from `to_plain`."""
        made = tuple(MadeText(*text) for text in plain["made"])
        earlier = tuple(cls.from_plain(texts) for texts in plain.get("earlier", ()))
        return cls(str(plain["population"]), frozenset(map(int, plain["pids"])), made, earlier)

    def whole(self) -> Iterator[TrainingTexts]:
        """These and all earlier ones."""
        yield self
        for texts in self.earlier:
            yield from texts.whole()


def leaks(
    *,
    queries: Sequence[Caption],
    gallery_texts: Sequence[Caption] | None = None,
    training: TrainingTexts | None = None,
    population: str = "",
    test_pids: Collection[int] = (),
    query_images: bool = False,
) -> list[str]:
    """Everything that this evaluation knows and must not know, one message per kind of leak.

    Training text that merely reads like a test query is no leak: short captions of different people coincide. It is
    judged by whom it describes and by what it was made from.

    Args:
        queries: test captions that ask.
        gallery_texts: texts that the gallery side was encoded with.
        training: the texts that the model was trained on; None where that is not known.
        population: of the evaluated data; where `training` is of another one, its identities are other people.
        test_pids: identities of the queries and the gallery.
        query_images: whether a query was encoded together with an image.

    Returns:
        Messages that count what leaks and name the first of it; empty if there is no leak.
    """
    gallery = list(gallery_texts or ())
    asked = {normalized(caption.text) for caption in queries}
    learnt = () if training is None else tuple(training.whole())
    made = [text for texts in learnt for text in texts.made]
    links = [(c.sha256, c.derived_from) for c in gallery] + [(text.sha256, text.derived_from) for text in made]
    secret = _made_from_queries(queries, links)
    known = sorted({pid for texts in learnt if texts.population == population for pid in texts.pids} & set(test_pids))
    found = [
        _message(
            "gallery text equals a test query",
            [_of(caption) for caption in gallery if normalized(caption.text) in asked],
            "a gallery text may be made from the gallery image alone",
        ),
        _message(
            "gallery text was made from a test query",
            [_of(caption) for caption in gallery if caption.derived_from in secret],
            "make it from the gallery image alone",
        ),
        _message(
            "training text describes a test identity",
            [f"identity {pid}" for pid in known],
            "train on identities that are not tested",
        ),
        _message(
            "training text was made from a test query",
            [_which(text) for text in made if text.derived_from in secret and not text.own],
            "make it from training captions or training images",
        ),
    ]
    if query_images:
        found.append(
            "a query was encoded together with an image: in text-based person search the query is text alone. "
            "Encode queries with encode_query(texts)."
        )
    return [message for message in found if message]


def check_leaks(
    *,
    queries: Sequence[Caption],
    gallery_texts: Sequence[Caption] | None = None,
    training: TrainingTexts | None = None,
    population: str = "",
    test_pids: Collection[int] = (),
    query_images: bool = False,
    allow_leak: bool = False,
) -> list[str]:
    """Refuse an evaluation that leaks; arguments as in `leaks`.

    Args:
        allow_leak: go on all the same, for study.

    Returns:
        What leaks, for the record. Empty unless `allow_leak`.

    Raises:
        LeakError: listing every leak, unless `allow_leak`.
    """
    found = leaks(
        queries=queries,
        gallery_texts=gallery_texts,
        training=training,
        population=population,
        test_pids=test_pids,
        query_images=query_images,
    )
    if found and not allow_leak:
        listing = "".join(f"\n  {message}" for message in found)
        raise LeakError(
            f"the evaluation has access to what it must not know ({len(found)} kind{'s' * (len(found) > 1)} of leak):"
            f"{listing}\n--allow-leak (evaluation.allow_leak=True) evaluates anyway and marks the record."
        )
    return found


def _made_from_queries(queries: Sequence[Caption], links: Iterable[tuple[str, str]]) -> set[str]:
    """SHA-256 of the test queries and of every text made from them, directly or by way of other texts.

    Args:
        links: (SHA-256 of a text, what it was made from) of every text that may have been.
    """
    children: dict[str, list[str]] = {}
    for text, source in links:
        children.setdefault(source, []).append(text)
    secret: set[str] = set()
    waiting = [caption.sha256 for caption in queries]
    while waiting:
        text = waiting.pop()
        if text not in secret:
            secret.add(text)
            waiting += children.get(text, [])
    return secret


def _message(what: str, found: Sequence[str], fix: str) -> str:
    """'gallery text equals a test query (3): ...' or '' where nothing was found."""
    if not found:
        return ""
    more = f"; and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
    return f"{what} ({len(found)}): {'; '.join(found[:MAX_SHOWN])}{more}. Fix: {fix}."


def _of(caption: Caption) -> str:
    return (
        f"caption {caption.caption_id} of image {caption.image_id} ({caption.source}, {caption.split}): "
        f"{_short(caption.text)}"
    )


def _which(text: MadeText) -> str:
    if text.caption_id < 0:
        return f"the style {text.sha256[:8]}, by the caption {text.derived_from[:8]}"
    return f"caption {text.caption_id} of image {text.image_id}"


def _short(text: str, width: int = 60) -> str:
    return repr(text if len(text) <= width else text[: width - 3] + "...")
