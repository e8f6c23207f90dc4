"""The part of the static check that looks at what training batches carry besides image and query."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tbpsbench import registry
from tbpsbench.entries import Problem
from tbpsbench.errors import RegistryError
from tbpsbench.model.roles import MASKED, QUERY, caption_roles, of_training, role_of
from tbpsbench.model.views import view_of
from tbpsbench.model.wiring import Stage, available_texts, available_views

EXTRAS = "extras."
LONGEST_NAME = 100


def data_problems(data: Any) -> Iterator[Problem]:
    """What is wrong with the views, captions and extras that a config's `data` asks for."""
    if not isinstance(data, Mapping):
        return
    yield from _view_problems(data.get("views"))
    yield from _name_problems("data.extras", data.get("extras", []))
    files = data.get("more_captions", [])
    found = [*_name_problems("data.more_captions", files)]
    yield from found or _mix_problems(data.get("text_transforms", []), files)


def training_features(found: Collection[Stage], data: Mapping[str, Any]) -> set[str]:
    """Features that losses alone may read, since only training batches have what they are made from."""
    captions = caption_roles(data["captions_per_sample"])[1:]
    roles = {*captions, *([MASKED] if data["masked_tokens"] else [])}
    extras = {f"{EXTRAS}{name}" for name in data["extras"]}
    return available_texts(found, roles) | available_views(found, data["views"], captions) | extras


def remedy_in_data(feature: str) -> str:
    """What to write into `data` so that it makes a feature; "" for features that it does not make."""
    if feature.startswith(EXTRAS):
        name = feature.removeprefix(EXTRAS)
        return f"Losses read what data.extras names: data.extras=[{name!r}], an attribute of the images."
    view = view_of(feature)
    role = view if view is not None and of_training(view) else role_of(feature)
    if role == MASKED:
        return "Masked captions are drawn for losses with data.masked_tokens=True; set it."
    if role is not None and of_training(role):
        count = role.removeprefix(f"{QUERY}_")
        return f"Further captions are for losses alone; data.captions_per_sample={count} draws {role!r}."
    if view is not None:
        return f"Views are for losses alone; data.views=dict({view}=[]) draws {view!r}, with the features of an image."
    return ""


def _view_problems(views: Any) -> Iterator[Problem]:
    if not isinstance(views, Mapping):
        return  # its type has been reported
    for name, transforms in views.items():
        path = f"data.views.{name}"
        usable = isinstance(name, str) and name.isidentifier() and len(name) <= LONGEST_NAME
        if not usable or name == QUERY or of_training(name):
            yield Problem(path, "choose a name of letters, digits and underscores that is no role of a caption")
        listed = isinstance(transforms, list | tuple) and None not in transforms
        if transforms is not None and not listed:
            message = f"is {transforms!r}, expected a list of transforms; an empty one stands for data.transforms"
            yield Problem(path, message)


def _name_problems(path: str, names: Any) -> Iterator[Problem]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return  # its type has been reported
    if wrong := [name for name in names if not name or "/" in name]:
        yield Problem(path, f"{wrong[0]!r} is no name")
    elif len({*names}) < len(names):
        yield Problem(path, "names something twice")


def _mix_problems(transforms: Any, files: Any) -> Iterator[Problem]:
    """A transform that shows other captions needs files with them, and files need such a transform."""
    if not isinstance(transforms, list | tuple):
        return
    names = [t["type"] for t in transforms if isinstance(t, Mapping) and isinstance(t.get("type"), str)]
    mixing = [position for position, name in enumerate(names) if _mixes(name)]
    if mixing and not files:
        yield Problem(
            f"data.text_transforms.{mixing[0]}",
            f"{names[mixing[0]]} shows captions of further files, and there are none.",
            "Name annotation files with captions of the same images: data.more_captions=['back-translated']",
        )
    if files and not mixing:
        yield Problem(
            "data.more_captions",
            "no text transform shows these captions.",
            "Add one that does: data.text_transforms=[dict(type='CaptionMix', p=0.1)]",
        )


def _mixes(name: str) -> bool:
    try:
        return bool(registry.TEXT_TRANSFORMS.get(name).mixes)
    except RegistryError:
        return False
