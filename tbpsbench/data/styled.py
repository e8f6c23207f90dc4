"""What the leak guard must know of texts in a style: the captions behind the examples that the style was named by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench.annotations import Annotations
from tbpsbench.files import sha256_bytes
from tbpsbench.metrics.leaks import MadeText
from tbpsbench.types import Caption

NOBODY = -1  # a style belongs to no image and has no number among captions


def style_texts(file: Annotations, own: Annotations) -> list[MadeText]:
    """The styles of a caption file, each as a text that was made from captions.

    Args:
        file: that may have been written in styles.
        own: the data set's own captions; those of its training split may have been learnt from.
    """
    found = [*_styles(file)]
    known = _training(own) if found else frozenset()
    return [MadeText(NOBODY, NOBODY, prompt, source, source in known) for prompt, source in found]


def style_captions(file: Annotations, own: Annotations) -> list[Caption]:
    """The same as captions, without those styles that come from the training split."""
    found = [*_styles(file)]
    known = _training(own) if found else frozenset()
    return [
        Caption(f"a style named by the caption {source[:12]}", "style", NOBODY, file.source, "", NOBODY, source)
        for _, source in found
        if source not in known
    ]


def _styles(file: Annotations) -> Iterator[tuple[str, str]]:
    """(SHA-256 of a style's prompt, SHA-256 of a caption that it was named by)."""
    captioner = file.header.get("made_from", {}).get("captioner", {})
    styles = captioner.get("styles", []) if isinstance(captioner, Mapping) else []
    for style in styles if isinstance(styles, list) else []:
        if isinstance(style, Mapping):
            yield from ((sha256_bytes(str(style.get("prompt", "")).encode()), str(s)) for s in _list(style))


def _list(style: Mapping[str, Any]) -> list[Any]:
    made_from = style.get("made_from")
    return made_from if isinstance(made_from, list) else []


def _training(own: Annotations) -> frozenset[str]:
    return frozenset(caption.sha256 for record in own.split("train") for caption in record.captions)
