"""Slots: what a caption can say about a person, and the question that asks for each.

MTG asks about the slots that are known least, and about kindred ones in one question (`questions_for`). Style-clustered
captions send the slots of one side to the identity text and those of the other to the clothing text (`SIDES`, a slot
map that a config may replace: papers disagree about hair).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import ConfigError

Side = Literal["identity", "clothing", "scene"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that a caption can tell.

    Attributes:
        name: as configs, prompts and stores write it.
        side: whether it says who a person is, what they wear or carry, or what goes on.
        about: what it is, as a prompt puts it.
        question: what MTG asks about the image.
        weight: how much it tells persons apart; between slots that are known equally little, the heavier is asked
            first.
    """

    name: str
    side: Side
    about: str
    question: str
    weight: float


SLOTS: Mapping[str, Slot] = {
    slot.name: slot
    for slot in (
        Slot("sex", "identity", "sex", "Is the person a woman or a man, a girl or a boy?", 0.9),
        Slot("age", "identity", "age group",
             "About how old is the person: a child, young, middle-aged or elderly?", 0.5),
        Slot("build", "identity", "build and height", "What are the build and the height of the person?", 0.4),
        Slot("skin", "identity", "skin tone", "What is the skin tone of the person?", 0.2),
        Slot("hair", "identity", "hair", "What are the length, style and colour of the person's hair?", 0.8),
        Slot("beard", "identity", "beard", "What beard or moustache does the person have?", 0.3),
        Slot("upper", "clothing", "upper garment",
             "What does the person wear on the upper body? Name the kind, the colours and any pattern or print.", 1.0),
        Slot("lower", "clothing", "lower garment",
             "What does the person wear on the lower body? Name the kind and the colour.", 1.0),
        Slot("shoes", "clothing", "shoes", "What shoes does the person wear? Name the kind and the colour.", 0.7),
        Slot("bag", "clothing", "bag", "What bag does the person carry? Name the kind and the colour.", 0.85),
        Slot("hat", "clothing", "hat", "What does the person wear on the head? Name the kind and the colour.", 0.6),
        Slot("glasses", "clothing", "glasses", "What glasses does the person wear?", 0.45),
        Slot("held", "clothing", "object in the hands", "What does the person hold in the hands?", 0.55),
        Slot("action", "scene", "action", "What is the person doing, and which way do they face?", 0.1),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What MTG asks in one round.

    Attributes:
        slots: names of what it is about.
        text: the question.
    """

    slots: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        """The slots, as stores and logs write them: "bag", or "bag+held"."""
        return JOINT.join(self.slots)

    @property
    def weight(self) -> float:
        """That of its heaviest slot."""
        return max(SLOTS[name].weight for name in self.slots)


JOINT = "+"
# Most people have no hat, or no bag: a round for each would be wasted on them.
KINDRED = (
    Question(("bag", "held"), "Which bag does the person carry, and what is in the hands? Name kinds and colours."),
    Question(("hat", "glasses"), "What does the person wear on the head and on the eyes? Name kinds and colours."),
    Question(("age", "build"), "About how old is the person, and what are build and height?"),
    Question(("skin", "beard"), "What are the skin tone and, if there is one, the beard or moustache of the person?"),
)
SIDES: Mapping[str, Side] = {name: slot.side for name, slot in SLOTS.items()}


def slots_named(names: Iterable[str], place: str) -> tuple[Slot, ...]:
    """Slots by name.

    Args:
        names: of slots.
        place: key of the config, for the message.

    Raises:
        ConfigError: for a name that is none.
    """
    found = []
    for name in names:
        if name not in SLOTS:
            known = ", ".join(SLOTS)
            raise ConfigError(f"{place}: no slot is called {name!r}.{did_you_mean(str(name), SLOTS)} Slots: {known}")
        found.append(SLOTS[name])
    return tuple(found)


def questions_for(slots: Iterable[Slot], kindred: bool) -> tuple[Question, ...]:
    """A question for each slot.

    Args:
        slots: what is asked about.
        kindred: whether kindred slots share a question, where both are asked about.
    """
    left = {slot.name: slot for slot in slots}
    joint = [question for question in KINDRED if kindred and {*question.slots} <= left.keys()]
    shared = {name for question in joint for name in question.slots}
    return (*joint, *(Question((slot.name,), slot.question) for slot in left.values() if slot.name not in shared))
