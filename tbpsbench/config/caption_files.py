"""One way to name texts: `data.captions`, `data.descriptions`, `data.more_captions` and `evaluation.gallery_texts`.

A name is that of a registered caption source, or else of an annotation file in the data set's folder, which
tools/caption.py or anybody else has made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbpsbench import registry

OWN = "human"  # the data set's own captions, with which a search is evaluated


def caption_source(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """The CAPTION_SOURCES component that a name or a component stands for."""
    if not isinstance(given, str):
        return dict(given)
    return {"type": given} if given in registry.CAPTION_SOURCES.names() else {"type": "file", "name": given}
