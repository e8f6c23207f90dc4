"""What a simulated model says: sentences about facts, one slot at a time, as a caption, or merged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tbpsbench.minipedes.describe import clothing_description, identity_description
from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.words import Facts, Words, article, listed
from tbpsbench.mllm.sight import SLOTS

NOT_VISIBLE = "not visible"
IDENTITY = ("sex", "age", "build", "skin", "hair", "beard")
_WORN = ("upper", "lower", "shoes", "hat", "glasses")
_CALLED = {"man": "He", "boy": "He", "woman": "She", "girl": "She"}
_PERSON = "The person "


def answer(facts: Facts, slot: str) -> str:
    """One sentence about a slot, or "not visible".

    Args:
        facts: what is seen.
        slot: one of `SLOTS`, or several with "+" between them; nothing is seen of any other.
    """
    if "+" in slot:
        said = [text for part in slot.split("+") if (text := answer(facts, part)) != NOT_VISIBLE]
        return " ".join(said) or NOT_VISIBLE
    if slot == "action":
        return f"{_PERSON}is {Words(facts, Dice(0, 'action'), 0).action()}."
    values = {name: facts.values[name] for name in SLOTS.get(slot, ()) if name in facts.values}
    if not values:
        return NOT_VISIBLE
    of_slot = replace(facts, values=values)
    if slot in IDENTITY:
        return _identity(slot, values, of_slot)
    thing = clothing_description(of_slot).rstrip(".")
    verb = "wears" if slot in _WORN else "holds" if slot == "held" else "carries"
    return f"{_PERSON}{verb} {_lower_first(thing)}."


def _identity(slot: str, values: dict[str, str], facts: Facts) -> str:
    if slot == "sex":
        return f"{_PERSON}is a {values['sex']}."
    if slot == "age":
        return f"{_PERSON}is {'a child' if values['age'] == 'child' else values['age']}."
    if slot == "build":
        plain = [value for value in values.values() if value != "average"]
        average = [name for name, value in values.items() if value == "average"]
        return f"{_PERSON}is {listed([*plain, f'of average {listed(average)}' if average else ''])}."
    return f"{_PERSON}has {identity_description(facts).rstrip('.').partition(' with ')[2]}."


def caption(facts: Facts) -> str:
    """Who the person is and what they wear, in one sentence."""
    who = identity_description(facts).rstrip(".")
    worn = clothing_description(facts).rstrip(".")
    if not any(name in facts.values for slot in SLOTS if slot not in IDENTITY for name in SLOTS[slot]):
        return f"{who} is walking or standing there."
    return f"{who} wears {_lower_first(worn)}."


def merged(texts: Sequence[str]) -> str:
    """A caption and answers in one text: what a sentence adds to the ones before it is kept."""
    kept = [text.strip() for text in texts[:1]]
    for text in texts[1:]:
        new = content_words(text) - content_words(" ".join(kept))
        if new and NOT_VISIBLE not in text.lower():
            kept.append(text.strip())
    named = next((_CALLED[word] for word in _words(kept[0]) if word in _CALLED), "The person") if kept else ""
    return " ".join([*kept[:1], *(text.replace(_PERSON, f"{named} ") for text in kept[1:])])


def content_words(text: str) -> set[str]:
    """The words of a text that say something about a person."""
    return set(_words(text)) - {
        "a",
        "an",
        "and",
        "the",
        "is",
        "of",
        "with",
        "has",
        "wears",
        "holds",
        "carries",
        "person",
    }


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z][a-z-]*", text.lower())


def _lower_first(text: str) -> str:
    return text if text[:2] == "T-" else text[:1].lower() + text[1:]


__all__ = ["NOT_VISIBLE", "answer", "article", "caption", "content_words", "merged"]
