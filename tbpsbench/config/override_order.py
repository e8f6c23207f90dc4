"""In which order overrides are applied."""

from __future__ import annotations

from collections.abc import Iterable


def types_first(overrides: Iterable[str]) -> list[str]:
    """The overrides in their order, but a type before what belongs to it: `fuser.depth=2 fuser.type=X` works, too.

    A type stays behind whatever was said before of the whole place or of one around it.
    """
    ordered: list[tuple[tuple[str, ...], str]] = []
    for text in overrides:
        path = tuple(text.partition("=")[0].strip().split("."))
        place = len(ordered)
        if path[-1] == "type":
            around = [
                number
                for number, (other, _) in enumerate(ordered)
                if path[: len(other)] == other or (other[-1] == "type" and path[: len(other) - 1] == other[:-1])
            ]
            place = around[-1] + 1 if around else 0
        ordered.insert(place, (path, text))
    return [text for _, text in ordered]
