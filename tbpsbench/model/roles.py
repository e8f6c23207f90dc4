"""Roles: what a text is for. Components read the texts of a role by name: `text.ROLE.tokens`, `text.ROLE.pooled`, ...

The query has two companions that the data make and losses may read: "masked", the caption with masked tokens, and
"query_2", "query_3", ..., further captions of the image (`data.captions_per_sample`).

Roles are open. A caption source lists those of its own texts (`CaptionSource.roles`); a plug-in that brings
descriptions of another kind declares theirs when it is imported:

    from tbpsbench.model.roles import declare
    declare("hair", "what the hair looks like")

The static check learns from here which roles a config can have; `data.descriptions` names the file that has the texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from tbpsbench import plugins
from tbpsbench.errors import RegistryError

QUERY = "query"
MASKED = "masked"
ENCODED = ("tokens", "pooled", "mask")
_FURTHER = re.compile(r"query_[0-9]+")


@dataclass(frozen=True)
class Role:
    """One role.

    Attributes:
        name: as in `text.NAME.tokens`.
        about: what texts of this role say, for messages.
    """

    name: str
    about: str


_descriptions = {
    role.name: role
    for role in (
        Role("identity", "the person without the clothes"),
        Role("clothing", "the clothes alone"),
        Role("description", "the whole image"),
    )
}


def declare(name: str, about: str) -> Role:
    """Make a role of descriptions known: texts made from the image alone, which `data.descriptions` brings.

    Raises:
        RegistryError: if the name cannot be part of a feature's name, or is one that the data make.
    """
    if not name.isidentifier() or name == QUERY or of_training(name):
        raise RegistryError(f"role {name!r}: choose a name of letters, digits and underscores that is not taken")
    if name not in _descriptions:
        _descriptions[name] = Role(name, about)
        plugins.note("", lambda: _descriptions.pop(name, None))
    return _descriptions[name]


def description_roles() -> tuple[str, ...]:
    """Every declared role of descriptions."""
    return tuple(_descriptions)


def caption_roles(count: int) -> tuple[str, ...]:
    """Roles of the captions of a sample that has `count` of them: "query", "query_2", ..."""
    return (QUERY, *(f"{QUERY}_{number}" for number in range(2, count + 1)))


def of_training(role: str) -> bool:
    """Whether it is a role of captions that training batches alone have: in search there is one, and whole."""
    return role == MASKED or _FURTHER.fullmatch(role) is not None


def role_of(feature: str) -> str | None:
    """The role whose text a feature is of: "query" for "text.query.tokens", None for features of no text."""
    kind, _, rest = feature.partition(".")
    return rest.partition(".")[0] if kind == "text" and rest else None


def text_features(roles: Collection[str], *, attention: bool = False) -> set[str]:
    """Names of all features of texts in these roles, with those of an encoder that gives its attention if asked for."""
    names = (*ENCODED, "attention") if attention else ENCODED
    return {f"text.{role}.{name}" for role in roles for name in names}
