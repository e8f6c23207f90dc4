"""Which track a result belongs to, and what it must not have known (docs/protocol.md, tracks and leak guard).

Both are derived from what was passed to the evaluation, never from what an author declares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from tbpsbench.errors import LeakError
from tbpsbench.types import Caption

Track = Literal["dual-encoder", "gallery-text", "rerank", "interactive"]
MAX_SHOWN = 5


def track_of(
    *, gallery_texts: Sequence[Caption] | None = None, reranker: bool = False, interactive: bool = False
) -> Track:
    """The track of a result; where several apply, the one that may know most.

    Args:
        gallery_texts: texts that the gallery side was encoded with; None or empty if images alone.
        reranker: whether a model looked at pairs of query and gallery image together.
        interactive: whether queries were refined at test time.
    """
    if interactive:
        return "interactive"
    if reranker:
        return "rerank"
    return "gallery-text" if gallery_texts else "dual-encoder"


def normalized(text: str) -> str:
    """A text without differences of case and white space."""
    return " ".join(text.split()).casefold()


def leaks(
    *,
    queries: Sequence[Caption],
    gallery_texts: Sequence[Caption] | None = None,
    training: Sequence[Caption] = (),
    training_pids: Sequence[int] | None = None,
    test_pids: Collection[int] = (),
    query_images: bool = False,
) -> list[str]:
    """Everything that this evaluation knows and must not know, one message per kind of leak.

    Training text that merely reads like a test query is no leak: short captions of different people coincide. It is
    judged by whom it describes and by what it was made from.

    Args:
        queries: test captions that ask.
        gallery_texts: texts that the gallery side was encoded with.
        training: every text that the model was trained on.
        training_pids: identity of each training text, numbered as `test_pids`; None if the training data are another
            data set with other people.
        test_pids: identities of the queries and the gallery.
        query_images: whether a query was encoded together with an image.

    Returns:
        Messages that count the texts concerned and name the first of them; empty if there is no leak.

    Raises:
        ValueError: if `training_pids` is given but does not have one identity for each training text.
    """
    gallery = list(gallery_texts or ())
    if training_pids is not None and len(training_pids) != len(training):
        raise ValueError(f"{len(training_pids)} identities for {len(training)} training texts: one for each")
    asked = {normalized(caption.text) for caption in queries}
    secret = _made_from_queries(queries, [*gallery, *training])
    # A training text may be made from a training caption of its own image that a test query happens to repeat.
    own = {(caption.image_id, caption.sha256) for caption in training}
    known_pids = set(test_pids)
    tested = (
        [caption for caption, pid in zip(training, training_pids, strict=True) if pid in known_pids]
        if training_pids is not None
        else []
    )
    found = [
        _message(
            "gallery text equals a test query",
            [caption for caption in gallery if normalized(caption.text) in asked],
            "a gallery text may be made from the gallery image alone",
        ),
        _message(
            "gallery text was made from a test query",
            [caption for caption in gallery if caption.derived_from in secret],
            "make it from the gallery image alone",
        ),
        _message(
            "training text describes a test identity",
            tested,
            "train on identities that are not tested",
        ),
        _message(
            "training text was made from a test query",
            [c for c in training if c.derived_from in secret and (c.image_id, c.derived_from) not in own],
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
    training: Sequence[Caption] = (),
    training_pids: Sequence[int] | None = None,
    test_pids: Collection[int] = (),
    query_images: bool = False,
    allow_leak: bool = False,
) -> list[str]:
    """Refuse an evaluation that leaks; arguments as in `leaks`.

    Args:
        allow_leak: go on all the same, for study.

    Returns:
        What leaks; brands the record. Empty unless `allow_leak`.

    Raises:
        LeakError: listing every leak, unless `allow_leak`.
    """
    found = leaks(
        queries=queries,
        gallery_texts=gallery_texts,
        training=training,
        training_pids=training_pids,
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


def _made_from_queries(queries: Sequence[Caption], texts: Iterable[Caption]) -> set[str]:
    """SHA-256 of the test queries and of every text made from them, directly or by way of other texts."""
    children: dict[str, list[str]] = {}
    for caption in texts:
        children.setdefault(caption.derived_from, []).append(caption.sha256)
    secret: set[str] = set()
    waiting = [caption.sha256 for caption in queries]
    while waiting:
        text = waiting.pop()
        if text not in secret:
            secret.add(text)
            waiting += children.get(text, [])
    return secret


def _message(what: str, captions: Sequence[Caption], fix: str) -> str:
    """'3 x gallery text equals a test query: ...' or '' without captions."""
    if not captions:
        return ""
    shown = "; ".join(
        f"caption {caption.caption_id} of image {caption.image_id} ({caption.source}, {caption.split}): "
        f"{_short(caption.text)}"
        for caption in captions[:MAX_SHOWN]
    )
    more = f"; and {len(captions) - MAX_SHOWN} more" if len(captions) > MAX_SHOWN else ""
    return f"{what} ({len(captions)} texts): {shown}{more}. Fix: {fix}."


def _short(text: str, width: int = 60) -> str:
    return repr(text if len(text) <= width else text[: width - 3] + "...")
