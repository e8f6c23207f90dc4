"""The stages of a model, written once: what each is built from, what it requires and what it provides.

    image encoder, text encoder -> disentangler -> fuser -> heads -> losses

`PersonSearchModel` builds its parts along `stages`; the static check walks the same list without building anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tbpsbench import registry
from tbpsbench.errors import ConfigError
from tbpsbench.model.roles import MASKED, QUERY, role_of, text_features
from tbpsbench.model.views import view_features
from tbpsbench.registration import Registry

Component = Mapping[str, Any]
Widths = dict[str, int]
TEXT_ATTENTION = "text.ROLE.attention"  # what a text encoder that gives its attention is registered with
PATCH_MEAN: Component = {"type": "PatchMean"}  # what stands in the slot where no disentangler is asked for


@dataclass(frozen=True)
class Stage:
    """One part of a model.

    Attributes:
        key: its place below `model`, e.g. "heads.global".
        slot: where its class is registered.
        config: its component.
        fixed: features that every class of the slot provides, besides those that the class is registered with.
        widths: (the built part, text roles) -> width of each feature that it provides.
        of_training: whether it may read what training batches alone have, such as the masked caption.
    """

    key: str
    slot: Registry[Any]
    config: Component
    fixed: tuple[str, ...] = ()
    widths: Callable[[Any, Collection[str]], Widths] = lambda part, roles: {}  # noqa: ARG005
    of_training: bool = False

    @property
    def path(self) -> str:
        """Its place in the whole config."""
        return f"model.{self.key}"

    def requires(self) -> list[str]:
        """Features and batch fields that it reads.

        Raises:
            RegistryError: if the class is unknown or cannot be imported.
        """
        entry = self.slot.entry(self.config["type"], self.path)
        return entry.resolve(entry.requires, self.config)

    def provides(self) -> list[str]:
        """Features that it makes; those that the text encoder makes of a text in any role are in `available_texts`.

        Raises:
            RegistryError: if the class is unknown or cannot be imported.
        """
        entry = self.slot.entry(self.config["type"], self.path)
        return [*self.fixed, *entry.resolve(entry.provides, self.config)]

    def build(self, dims: Widths) -> Any:
        """The part itself; `dims` holds the widths of everything that the stages before it provide."""
        return self.slot.build(self.config, self.path, {"dims": dims})


def stages(
    image_encoder: Component,
    text_encoder: Component,
    heads: Mapping[str, Component],
    losses: Mapping[str, Component],
    disentangler: Component | None = None,
    fuser: Component | None = None,
) -> list[Stage]:
    """The parts of a model in the order in which features flow through them."""
    image = tuple(f"image.{name}" for name in ("tokens", "patches", "pooled", "mask"))
    found = [
        Stage("image_encoder", registry.IMAGE_ENCODERS, image_encoder, image, _image_widths),
        Stage("text_encoder", registry.TEXT_ENCODERS, text_encoder, (), _text_widths),
        Stage("disentangler", registry.DISENTANGLERS, disentangler or PATCH_MEAN, (), lambda part, _: dict(part.dims)),
    ]
    if fuser is not None:
        found.append(Stage("fuser", registry.FUSERS, fuser, (), lambda part, _: {"fused": part.out_dim}))
    for name, head in heads.items():
        sides = tuple(f"heads.{name}.{side}" for side in ("image", "text"))
        widths = _head_widths(sides)
        found.append(Stage(f"heads.{name}", registry.HEADS, head, sides, widths))
    found += [Stage(f"losses.{name}", registry.LOSSES, loss, of_training=True) for name, loss in losses.items()]
    return found


def required(found: Collection[Stage]) -> set[str]:
    """Everything that the stages read."""
    return {feature for stage in found for feature in stage.requires()}


def require_roles(found: Collection[Stage], roles: Collection[str]) -> None:
    """Refuse a model that reads texts which the training data do not have.

    Args:
        found: the stages.
        roles: of the training texts, besides the query.

    Raises:
        ConfigError: naming the part, the feature and the roles that there are.
    """
    for stage in found:
        for feature in stage.requires():
            role = role_of(feature)
            if role not in (None, QUERY, MASKED, *roles):
                raise ConfigError(
                    f"{stage.path}: reads {feature!r}, but the training texts have no role {role!r}; they have: "
                    f"{', '.join((QUERY, *roles))}. Name an annotation file that has it with data.descriptions."
                )


def available_texts(found: Collection[Stage], roles: Collection[str]) -> set[str]:
    """Features of texts in these roles.

    Args:
        found: the stages; their text encoder says whether it gives its attention.
        roles: of the texts.
    """
    attention = any(TEXT_ATTENTION in stage.provides() for stage in found)
    return text_features(roles, attention=attention)


def available_views(found: Collection[Stage], images: Collection[str], captions: Collection[str]) -> set[str]:
    """Features of further views of the pairs: what the model makes of an image alone, or of a caption alone.

    Args:
        found: the stages.
        images: names of the views of the image.
        captions: roles of the further captions.
    """
    made = {feature for stage in found if not stage.of_training for feature in stage.provides()} - {TEXT_ATTENTION}
    of_text = {feature for feature in made if feature.startswith("heads.") and feature.endswith(".text")}
    shown = view_features(made - of_text, images)
    return shown | view_features(of_text | available_texts(found, {QUERY}), captions)


def _image_widths(encoder: Any, _: Collection[str]) -> Widths:
    return dict.fromkeys(("image.tokens", "image.patches", "image.pooled"), encoder.dim)


def _text_widths(encoder: Any, roles: Collection[str]) -> Widths:
    return {f"text.{role}.{name}": encoder.dim for role in roles for name in ("tokens", "pooled")}


def _head_widths(sides: tuple[str, ...]) -> Callable[[Any, Collection[str]], Widths]:
    return lambda head, _: dict.fromkeys(sides, head.dim)
