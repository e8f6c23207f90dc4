"""What is asked: a bank of questions on slots that a query leaves open, or fifteen fixed ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tbpsbench.captions.reading import read
from tbpsbench.captions.slots import SLOTS


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        slot: what it is about; one of captions.slots.SLOTS, or a name that only the fixed questions have.
        text: as it is asked.
    """

    slot: str
    text: str


BANK = tuple(Question(slot.name, slot.question) for slot in sorted(SLOTS.values(), key=lambda slot: -slot.weight))
# What the released code of ICL asks about, in its order; the words are ours. The scene is asked about too, which helps
# to find the same photograph rather than the same person.
FIXED = (
    Question("sex", "Is the person a man or a woman?"),
    Question("hair", "What are the length and the colour of the hair?"),
    Question("upper", "What is worn on the upper body, and in which colours?"),
    Question("lower", "What is worn on the lower body, and in which colours?"),
    Question("pattern", "Which patterns or prints are on the clothes?"),
    Question("shoes", "What kind of shoes, and in which colour?"),
    Question("glasses", "Are glasses worn?"),
    Question("scarf", "Is a scarf worn, and in which colour?"),
    Question("held", "What is held in the hands?"),
    Question("bag", "Is a bag carried, and of which kind and colour?"),
    Question("hat", "Is anything worn on the head?"),
    Question("belt", "Is a belt to be seen?"),
    Question("action", "What is the person doing?"),
    Question("background", "What is to be seen around the person?"),
    Question("other", "What else is striking about the person?"),
)


# Short answers that a page can offer; anything else may be typed.
CHIPS: Mapping[str, tuple[str, ...]] = {
    "sex": ("A woman", "A man"),
    "age": ("A child", "Young", "Middle-aged", "Elderly"),
    "build": ("Slim", "Average build", "Broad-shouldered", "Heavy-set"),
    "hair": ("Short hair", "Long hair", "A ponytail", "Bald"),
    "beard": ("A moustache", "A full beard"),
    "shoes": ("Sneakers", "Boots", "Sandals", "Dress shoes"),
    "bag": ("A backpack", "A handbag", "A shoulder bag", "A suitcase"),
    "hat": ("A cap", "A beanie", "A brimmed hat"),
    "glasses": ("Glasses", "Sunglasses"),
    "held": ("A phone", "An umbrella", "A book", "A cup"),
    "action": ("Walking", "Standing"),
}


def open_questions(known: Iterable[str], asked: Collection[str] = ()) -> list[Question]:
    """Questions on slots that nobody has spoken of, the most telling first.

    Args:
        known: the query and the answers so far.
        asked: slots that were asked about; they are not asked about again.
    """
    said = {slot for text in known for slot in read(text).slots}
    return [question for question in BANK if question.slot not in said and question.slot not in asked]
