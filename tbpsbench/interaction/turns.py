"""What happens in a session, turn by turn, and what may come next; all of it can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from tbpsbench.errors import DataError
from tbpsbench.interaction.questions import Question

MODEL, PERSON, TEMPLATE = "model", "person", "template"


@dataclass(frozen=True, slots=True)
class Judged:
    """Somebody said whether a picture fits the query.

    Attributes:
        image: its position in the gallery.
        yes: the verdict.
        by: "model" or "person"; a person may judge any picture at any time.
        said: the reply that the verdict was read from; "" for a click.
    """

    image: int
    yes: bool
    by: str = MODEL
    said: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """Questions were answered.

    Attributes:
        slots: what they were about; questions: as they were asked.
        answers: the sentences that were kept, in any number.
        dropped: answers that were not, with the reason behind a tab.
        image: position of the picture that was looked at; None for whoever answered from memory.
        by: "model" or "person".
        said: the whole reply.
    """

    slots: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    image: int | None = None
    by: str = MODEL
    said: str = ""


@dataclass(frozen=True, slots=True)
class Refined:
    """There is a new query text.

    Attributes:
        text: the query with all that is known; a person may write what they like.
        by: "model", "template" or "person".
    """

    text: str
    by: str = MODEL


@dataclass(frozen=True, slots=True)
class Undone:
    """The last turn that still counted does not count any more."""


Turn: TypeAlias = Judged | Answered | Refined
Entry: TypeAlias = Turn | Undone
WHO: Mapping[type[Any], tuple[str, ...]] = {
    Judged: (MODEL, PERSON), Answered: (MODEL, PERSON), Refined: (MODEL, TEMPLATE, PERSON),
}  # fmt: skip
NAMES: Mapping[str, type[Any]] = {"judged": Judged, "answered": Answered, "refined": Refined, "undone": Undone}


@dataclass(frozen=True, slots=True)
class Judge:
    """Next: say whether this picture (a position in the gallery), candidate `number` from 0, fits the query."""

    image: int
    number: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Next: answer these questions, looking at `image`; from memory where that is None."""

    questions: tuple[Question, ...]
    image: int | None


@dataclass(frozen=True, slots=True)
class Merge:
    """Next: make one query of these texts, the query first."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do: "refined", "early stop", "no anchor", "nothing to ask" or "nothing said"."""

    why: str


Step: TypeAlias = Judge | Ask | Merge | Done


def to_plain(entry: Entry) -> dict[str, Any]:
    """A turn as plain data."""
    name = next(name for name, kind in NAMES.items() if type(entry) is kind)
    return {"turn": name, **asdict(entry)}


def from_plain(data: Mapping[str, Any], images: int, place: str) -> Entry:
    """Back from `to_plain`.

    Args:
        data: one line of a session.
        images: size of the gallery.
        place: file and line, for messages.

    Raises:
        DataError: if it is no turn, or names a picture that the gallery has not.
    """
    kind = NAMES.get(str(data.get("turn")))
    values = {key: value for key, value in data.items() if key != "turn"}
    if kind is None or set(values) - set(kind.__dataclass_fields__):
        raise DataError(f"{place}: is no turn of a session ({', '.join(NAMES)})")
    for key, value in values.items():
        if not _sound(kind, key, value):
            raise DataError(f"{place}: {key} is {value!r:.80}")
        values[key] = tuple(value) if isinstance(value, list) else value
    image = values.get("image")
    if image is not None and not 0 <= image < images:
        raise DataError(f"{place}: there is no picture {image} in a gallery of {images}")
    try:
        entry: Entry = kind(**values)
    except TypeError as error:
        raise DataError(f"{place}: {error}") from None
    return entry


def _sound(kind: type[Any], key: str, value: Any) -> bool:
    """Whether a turn of this kind can hold this."""
    if key in ("slots", "questions", "answers", "dropped"):
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    if key == "image":
        return (isinstance(value, int) and not isinstance(value, bool)) or (value is None and kind is Answered)
    if key == "yes":
        return isinstance(value, bool)
    if key == "by":
        return value in WHO[kind]
    return isinstance(value, str) and (key != "text" or bool(value.strip()))
