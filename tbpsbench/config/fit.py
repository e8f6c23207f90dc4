"""Whether the parts of a config fit each other: what the data give to the encoders, and what those can take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench import registry
from tbpsbench.config.open_sections import is_open
from tbpsbench.registration import Problem, Registry


class _UnclearError(Exception):
    """A component's arguments contradict each other; holds the problem."""


def misfits(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Sizes that do not fit, told from the arguments alone; a class that does not tell (see its base) is not judged.

    Args:
        values: of a config without other problems, defaults filled in.
    """
    data, model = values["data"], values["model"]
    if is_open("model", model):
        return
    image_encoder, text_encoder = model["image_encoder"], model["text_encoder"]
    try:
        taken = _told(registry.IMAGE_ENCODERS, image_encoder, "model.image_encoder", "image_size")
        positions = _told(registry.TEXT_ENCODERS, text_encoder, "model.text_encoder", "positions")
        longest = _told(registry.TOKENIZERS, data["tokenizer"], "data.tokenizer", "longest")
    except _UnclearError as error:
        yield error.args[0]
        return
    size = tuple(data["size"])
    if isinstance(taken, list | tuple) and tuple(taken) != size:
        yield Problem(
            "data.size",
            f"the images are {_spell(size)}, but {image_encoder['type']} is built for {_spell(tuple(taken))} "
            "(height x width).",
            "Set data.size and model.image_encoder.img_size to the same, or img_size='from_data:image_size'.",
        )
    if isinstance(positions, int) and isinstance(longest, int) and longest > positions:
        yield Problem(
            "data.tokenizer",
            f"{data['tokenizer']['type']} makes texts of up to {longest} tokens, but {text_encoder['type']} has "
            f"{positions} positions.",
            "Shorten the texts (CLIPBPE: context_length, WordPiece: max_length), or give the encoder more positions.",
        )


def _told(slot: Registry[Any], component: Mapping[str, Any], path: str, question: str) -> Any:
    """The answer of a component's class for these arguments; None where it does not know, or only the data do."""
    entry = slot.entry(component["type"], path)
    defaults = {key: p.default for key, p in entry.parameters.items() if p.default is not p.empty}
    try:
        return getattr(entry.cls, question)({**defaults, **component})
    except (ValueError, TypeError, LookupError) as error:
        raise _UnclearError(Problem(path, f"{component['type']}: {error}")) from error


def _spell(size: tuple[Any, ...]) -> str:
    return " x ".join(map(str, size))
