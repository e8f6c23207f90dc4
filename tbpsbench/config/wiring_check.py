"""What flows between the parts of a model: features that nobody makes, and those that a part must not read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.config.data_check import remedy_in_data, training_features
from tbpsbench.config.open_sections import is_open
from tbpsbench.entries import Problem
from tbpsbench.errors import RegistryError
from tbpsbench.model.roles import MASKED, QUERY, description_roles, of_training, role_of
from tbpsbench.model.sides import side_problems
from tbpsbench.model.views import plain
from tbpsbench.model.wiring import TEXT_ATTENTION, Stage, available_texts, stages
from tbpsbench.registration import Registry
from tbpsbench.types import Batch


def wiring_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Losses, heads and fusers whose inputs nobody makes; the stages are those that the model is built along."""
    data, model = values["data"], values["model"]
    if data["mask_shared"] and not data["masked_tokens"]:
        yield Problem(
            "data.mask_shared", "there are no masked tokens to share.", "Set data.masked_tokens=True as well."
        )
    if is_open("model", model):
        return  # only the plug-in knows what flows where
    if not model["heads"]:
        yield Problem("model.heads", "a model needs at least one head to be searched with.")
    if not model["losses"]:
        yield Problem("model.losses", "a model needs at least one loss to be trained with.")
    parts = ("image_encoder", "text_encoder", "heads", "losses", "disentangler", "fuser")
    found = stages(**{part: model[part] for part in parts})
    own = training_features(found, data)
    fields = {name.removesuffix("_B3HW").removesuffix("_B") for name in Batch.__dataclass_fields__}
    available = available_texts(found, {QUERY, *_roles(data)}) | fields
    told: set[str] = set()
    for stage in found:
        for feature in stage.requires():
            if feature not in available | (own if stage.of_training else set()):
                arguments = stage.slot.entry(stage.config["type"]).parameters
                near = did_you_mean(feature, {*available, *arguments} - {feature})  # `gate` is asked for by `gate`
                remedy = _remedy(feature, stage.path, sorted(available))
                yield Problem(stage.path, _missing(feature, model) + near, remedy)
                told.add(stage.path)
        available |= set(stage.provides()) - {TEXT_ATTENTION}
    for problem in (*side_problems(found), *_of_other_kinds(found, fields)):
        if problem.path not in told:
            yield problem
    read = {role_of(feature) for stage in found if not stage.of_training for feature in stage.requires()}
    if values["evaluation"]["gallery_texts"] and not read - {None, QUERY, MASKED}:
        yield Problem(
            "evaluation.gallery_texts",
            "nothing in this model reads the texts of the gallery: the result would be in the track gallery-text for "
            "texts that changed nothing.",
            "Set evaluation.gallery_texts=None, or let a fuser read them (model.fuser.text=text.identity.pooled).",
        )


def _of_other_kinds(found: Collection[Stage], fields: Collection[str]) -> Iterator[Problem]:
    """Arguments that name a field of the batch, a mask or tokens where the class reads a vector, as its defaults tell.

    A class of a plug-in may take tokens as well as vectors; and only of what encoders make it is known which it is.
    """
    for stage in found:
        entry = stage.slot.entry(stage.config["type"], stage.path)
        for name in entry.requires:
            usual = entry.parameters[name].default if name in entry.parameters else None
            if not isinstance(usual, str):
                continue
            for value in entry.resolve((name,), stage.config):
                kind, expected = (_kind(feature, fields) for feature in (value, usual))
                known = stage.slot.is_builtin(stage.config["type"]) and plain(value).startswith(("image.", "text."))
                if kind != expected and (known or {kind, expected} != {"a vector", "tokens"}):
                    message = f"{name} is {value!r}, {kind}, expected {expected} such as {usual!r}."
                    yield Problem(stage.path, message, f"Leave {stage.path}.{name} out, or name another feature.")


def _kind(feature: str, fields: Collection[str]) -> str:
    """What a feature is, as far as its name tells."""
    if feature in fields:
        return "a field of the batch"
    if feature.endswith((".mask", "_mask")):
        return "a mask"
    if feature.endswith((".tokens", ".patches")) or feature.startswith("heads.tokens."):
        return "tokens"
    return "a vector"


def _roles(data: Mapping[str, Any]) -> set[str]:
    """Text roles that these data can have: those of the caption source, and of descriptions where there are any."""
    source = registry.CAPTION_SOURCES.get(data["captions"]["type"], "data.captions")
    roles = {*source.roles, *(description_roles() if data["descriptions"] else ())}
    return {role for role in roles if not of_training(role)}


def _missing(feature: str, model: Mapping[str, Any]) -> str:
    unset = [f"model.{key} is None" for key in ("disentangler", "fuser") if model[key] is None]
    why = f": {', '.join(unset)}" if unset and "." not in feature else ""
    return f"needs the feature {feature!r}, which nothing provides{why}."


def _remedy(feature: str, path: str, available: list[str]) -> str:
    role = role_of(feature)
    if known := remedy_in_data(feature):
        return known
    if feature.endswith(".attention") and feature.replace(".attention", ".tokens") in available:
        slot, name = (registry.TEXT_ENCODERS, TEXT_ATTENTION) if role else (registry.IMAGE_ENCODERS, feature)
        return f"{slot.plural[0].upper()}{slot.plural[1:]} that give their attention: {', '.join(_makers(name, slot))}"
    if role in description_roles():
        return f"Texts with the role {role!r} come from data.descriptions (an annotation file's name); set it."
    if role is not None and role != QUERY:
        known = ", ".join((QUERY, MASKED, *description_roles()))
        return (
            f"Nobody declares the role {role!r}. Declared: {known}\n"
            f"A plug-in declares one with tbpsbench.model.roles.declare, a caption source in its `roles`."
        )
    if makers := [*_makers(feature, registry.DISENTANGLERS), *_makers(feature, registry.FUSERS)]:
        remove = f" or remove the loss with {path}=None" if path.startswith("model.losses.") else ""
        return f"{' and '.join(makers)} provide{'s' * (len(makers) == 1)} it{remove}."
    return f"Available: {', '.join(available)}"


def _makers(feature: str, slot: Registry[Any]) -> Iterator[str]:
    """Components of a slot that provide a feature."""
    for name in slot.names():
        try:
            entry = slot.entry(name)
        except RegistryError:
            continue
        if feature in entry.resolve(entry.provides, {}):
            yield name
