"""Sides: what is made of a picture must not know the query, and what is made of a query must not know the picture.

In training a batch holds both, so that a part which reads the other side is shown the answer; in search there is one
side alone, and the part has nothing to work with. Losses and re-rankers compare the two and may read both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tbpsbench import registry
from tbpsbench.entries import Problem
from tbpsbench.errors import ConfigError
from tbpsbench.model.roles import QUERY, of_training, role_of
from tbpsbench.model.wiring import Stage

OF_PICTURE = "Texts made from the picture may be read: text.identity.pooled (data.descriptions)."


def of_query(feature: str) -> bool:
    """Whether a feature is made of the caption that asks, so that pictures are embedded without it."""
    role, parts = role_of(feature), feature.split(".")
    return role == QUERY or (role is not None and of_training(role)) or (parts[0] == "heads" and parts[-1] == "text")


def require_sides(found: Collection[Stage]) -> None:
    """Refuse a model in which one side would know the other.

    Raises:
        ConfigError: naming the first part that does.
    """
    for problem in side_problems(found):
        raise ConfigError(str(problem))


def side_problems(found: Collection[Stage]) -> Iterator[Problem]:
    """Fusers and disentanglers that read the query, and heads that read a side from the other."""
    for stage in found:
        if stage.slot in (registry.DISENTANGLERS, registry.FUSERS):
            for feature in filter(of_query, stage.requires()):
                message = f"reads {feature!r}, of the query: in training each picture would be shown its own caption."
                yield Problem(stage.path, message, OF_PICTURE)
        elif stage.slot is registry.HEADS:
            yield from _of_head(stage)


def _of_head(stage: Stage) -> Iterator[Problem]:
    """What can be told by the names of its arguments: `image`, `image_tokens`, ... and `text`, `text_mask`, ..."""
    image, text = _read_by(stage, "image"), _read_by(stage, "text")
    for argument, feature in image:
        if of_query(feature):
            message = f"{argument} is {feature!r}, of the query: pictures are embedded without one."
            yield Problem(stage.path, message, f"Name a feature of the picture, such as image.pooled. {OF_PICTURE}")
    pictures = [(argument, feature) for argument, feature in text if role_of(feature) is None and not of_query(feature)]
    if not pictures and not any(map(of_query, stage.requires())):
        pictures = text  # descriptions alone: nothing is there that a query could be embedded by
    for argument, feature in pictures:
        message = f"{argument} is {feature!r}, of the picture: queries are embedded without one."
        yield Problem(stage.path, message, "Name a feature of the query, such as text.query.pooled.")


def _read_by(stage: Stage, side: str) -> list[tuple[str, str]]:
    """(argument, feature) of the features that a side's arguments name."""
    entry = stage.slot.entry(stage.config["type"], stage.path)
    arguments = [name for name in entry.requires if name in entry.parameters and name.split("_")[0] == side]
    return [(name, feature) for name in arguments for feature in entry.resolve((name,), stage.config)]
