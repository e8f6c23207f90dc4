"""How the tools open an index: make it where it is not there, and refuse what does not belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbpsbench import registry
from tbpsbench.config.literal import parse_value
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.reading import shown
from tbpsbench.retrieval.description import DESCRIPTION, describe
from tbpsbench.retrieval.gallery import EXACT, Gallery
from tbpsbench.retrieval.walk import find_pictures, nothing_found
from tbpsbench.system import load_system


def component(kind: str | None, options: Sequence[str] = ()) -> dict[str, Any] | None:
    """A component of INDEXES from a command line; None where nothing was said.

    Raises:
        ConfigError: if there is no such kind, or it has no such option.
    """
    if kind is None and not options:
        return None
    told: dict[str, Any] = {"type": kind or EXACT["type"]}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ConfigError(f"--index-options {option}: expected KEY=VALUE, e.g. dtype=float16")
        told[key] = parse_value(value)
    if problems := registry.INDEXES.problems(told, "index"):
        raise ConfigError("\n".join(map(str, problems)))
    return told


def for_writing(
    folder: Path, checkpoint: Path | None, pictures: Path | None, index: Mapping[str, Any] | None,
    *, device: str | None = None,
) -> Gallery:  # fmt: skip
    """Open an index to be changed; make it first where there is none.

    Args:
        folder: of the index.
        checkpoint: of its system; by default the one that it names.
        pictures: its folder of pictures; by default the one that it names.
        index: component of INDEXES; by default as it is, or exact for a new one.
        device: where the system shall compute.

    Raises:
        DataError: if the index was made of other pictures or is of another kind, or there is no picture.
        CheckpointError: if it was made by another system.
    """
    if (folder / DESCRIPTION).is_file():
        told = describe(folder)
        if pictures is not None and str(pictures.resolve()) != told["pictures"]:
            raise DataError(
                f"{shown(folder)}: indexes the pictures of {shown(told['pictures'])}, not of {shown(pictures)}. "
                "Give that folder, or another --out."
            )
        if index is not None and dict(index) != told["index"]:
            raise DataError(f"{shown(folder)}: is an index {told['index']}, not {dict(index)}. Choose another --out.")
        return Gallery.open(folder, checkpoint, writable=True, device=device)
    if checkpoint is None or pictures is None:
        describe(folder)  # says that there is none, and how one is made
        raise DataError(f"{shown(folder)}: holds no index")
    if not (found := find_pictures(pictures, folder if folder.is_dir() else None)).pictures:
        raise DataError(nothing_found(pictures, found))
    system = load_system(checkpoint, device=device)
    return Gallery.create(folder, system, pictures, checkpoint=checkpoint, index=index or EXACT)
