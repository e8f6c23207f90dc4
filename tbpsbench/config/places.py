"""Which slot a place in a config belongs to, and the components that a config has there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench import registry
from tbpsbench.config.open_sections import is_open
from tbpsbench.registration import Registry

# Place -> slot; "*" stands for any name in a dict or any position in a list.
SLOT_PLACES: dict[tuple[str, ...], Registry[Any]] = {
    ("model",): registry.MODELS,
    ("schedule",): registry.SCHEDULES,
    ("optimizer",): registry.OPTIMIZERS,
    ("data", "dataset"): registry.DATASETS,
    ("data", "captions"): registry.CAPTION_SOURCES,
    ("data", "tokenizer"): registry.TOKENIZERS,
    ("data", "transforms", "*"): registry.TRANSFORMS,
    ("data", "transforms", "*", "transforms", "*"): registry.TRANSFORMS,  # RandomPick
    ("data", "views", "*", "*"): registry.TRANSFORMS,
    ("data", "views", "*", "*", "transforms", "*"): registry.TRANSFORMS,
    ("data", "text_transforms", "*"): registry.TEXT_TRANSFORMS,
    ("data", "sampler"): registry.SAMPLERS,
    ("model", "image_encoder"): registry.IMAGE_ENCODERS,
    ("model", "text_encoder"): registry.TEXT_ENCODERS,
    ("model", "heads", "*"): registry.HEADS,
    ("model", "disentangler"): registry.DISENTANGLERS,
    ("model", "fuser"): registry.FUSERS,
    ("model", "losses", "*"): registry.LOSSES,
    ("model", "balancer"): registry.BALANCERS,
    ("evaluation", "metrics", "*"): registry.METRICS,
    ("evaluation", "rerank", "*"): registry.RERANKERS,
    ("evaluation", "interactor"): registry.INTERACTORS,
    ("evaluation", "interactor", "mllm"): registry.MLLM_CLIENTS,
    ("evaluation", "interactor", "judge"): registry.MLLM_CLIENTS,
    ("evaluation", "interactor", "reconstructor"): registry.MLLM_CLIENTS,
    ("param_groups",): registry.PARAM_GROUPS,
    ("hooks", "*"): registry.HOOKS,
}


def slot_at(path: tuple[str, ...]) -> Registry[Any] | None:
    """The slot that a place in a config belongs to, or None."""
    for pattern, slot in SLOT_PLACES.items():
        if len(pattern) == len(path) and all(p in ("*", key) for p, key in zip(pattern, path, strict=True)):
            return slot
    return None


def components(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Registry[Any], Any]]:
    """Every component of a config that is set: (place, slot, its value).

    A model of a plug-in may call its arguments as it likes: where the name is that of a slot and the value a component,
    it is that slot's.
    """
    free = is_open("model", values.get("model"))
    for pattern, slot in SLOT_PLACES.items():
        for path, _, value in _expand(values, pattern, (), slot):
            if not free or pattern[0] != "model" or (isinstance(value, Mapping) and "type" in value):
                yield path, slot, value


def _expand(
    value: Any, pattern: tuple[str, ...], path: tuple[str, ...], slot: Registry[Any]
) -> Iterator[tuple[tuple[str, ...], Registry[Any], Any]]:
    if not pattern:
        if value is not None:
            yield path, slot, value
        return
    head, rest = pattern[0], pattern[1:]
    if head == "*" and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _expand(item, rest, (*path, str(index)), slot)
    elif isinstance(value, Mapping):
        for key in list(value) if head == "*" else [head] * (head in value):
            yield from _expand(value[key], rest, (*path, key), slot)
