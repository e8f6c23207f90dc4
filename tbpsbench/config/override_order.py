"""What overrides are, and in which order they are applied."""

from __future__ import annotations

from collections.abc import Iterable

from tbpsbench.errors import ConfigError


def listed(overrides: Iterable[str]) -> list[str]:
    """The overrides as a list.

    Raises:
        ConfigError: if they are one text, of which every letter would be taken for one, a dict, or anything else.
    """
    found = [overrides] if isinstance(overrides, str | bytes) or not isinstance(overrides, Iterable) else [*overrides]
    if found == [overrides] or hasattr(overrides, "keys") or not all(isinstance(text, str) for text in found):
        raise ConfigError(
            f"overrides are {overrides!r:.80}, expected a list of texts: ['seed=1', 'optimizer.lr=0.001']"
        )
    return found


def types_first(overrides: Iterable[str]) -> list[str]:
    """The overrides in their order, but a type before what belongs to it: `fuser.depth=2 fuser.type=X` works, too.

    A type stays behind whatever was said before of the whole place or of one around it.

    Raises:
        ConfigError: if they are no list of texts.
    """
    ordered: list[tuple[tuple[str, ...], str]] = []
    for text in listed(overrides):
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
