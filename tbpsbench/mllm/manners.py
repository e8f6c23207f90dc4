"""How a simulated model writes in a style: in the manner of one of MiniPEDES' annotators.

The words of the style prompt decide which one, so that two prompts mostly give two manners, and one always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.grammar import ANNOTATORS, hand, write
from tbpsbench.minipedes.words import Facts, article, listed

Named = Sequence[tuple[str, str]]
"""What a text says: the name of a field, and its phrase."""


def styled(facts: Facts, image: str, style: str, seed: int) -> str:
    """A caption of the whole person."""
    return write(seed, (image,), _annotator(seed, style), facts).text


def styled_identity(facts: Facts, image: str, style: str, seed: int) -> str:
    """Who the person is, without a word of what they wear; "" where that would be a single word."""
    manner, writer = hand(seed, ("identity", image), _annotator(seed, style), facts)
    words = writer.words
    person = f"{', '.join(words.stature(percent=65))} {words.noun()}".strip()
    about: Named = (("hair", writer.maybe(words.hair, 105)), ("face", writer.maybe(words.beard)),
                    ("skin", writer.maybe(words.skin, 55)))  # fmt: skip
    if manner in _FIELDS:
        return _more_than_a_word(_FIELDS[manner]([("person", person), *about]))
    features = listed([phrase for _, phrase in about])
    return _SENTENCES[manner](f"{article(person)} {person}{' with ' + features if features else ''}", "someone")


def styled_clothing(facts: Facts, image: str, style: str, seed: int) -> str:
    """What they wear and carry, without a word of who it is; "" where that would be a single word, or none."""
    manner, writer = hand(seed, ("clothing", image), _annotator(seed, style), facts)
    words = writer.words
    worn: Named = (
        ("top", writer.maybe(words.upper if manner in _FIELDS else writer.a_upper, 145)),
        ("bottom", writer.maybe(words.lower, 130)), ("shoes", writer.maybe(words.shoes, 80)),
        ("hat", writer.item("hat")), ("eyes", writer.item("glasses")), ("bag", writer.item("bag")),
        ("in hand", writer.item("carried")),
    )  # fmt: skip
    if not any(phrase for _, phrase in worn):
        return ""
    if manner in _FIELDS:
        return _more_than_a_word(_FIELDS[manner](worn))
    return _SENTENCES[manner](listed([phrase for _, phrase in (worn[::-1] if manner == "bottom-up" else worn)]), "")


def _annotator(seed: int, style: str) -> int:
    return Dice(seed, "style", style).below(ANNOTATORS)


def _more_than_a_word(text: str) -> str:
    """The text; "" where it is but one, since "lady." describes nobody."""
    return text if " " in text else ""


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fields(said: Named) -> str:
    return "; ".join(f"{name}: {phrase}" for name, phrase in said if phrase)


def _telegraphic(said: Named) -> str:
    return " ".join(f"{_start(phrase)}." for _, phrase in said if phrase)


def _terse(said: Named) -> str:
    return ", ".join(phrase for _, phrase in said if phrase) + "."


_FIELDS: dict[str, Callable[[Named], str]] = {"terse": _terse, "telegraphic": _telegraphic, "list": _fields}
_SENTENCES: dict[str, Callable[[str, str], str]] = {
    "clothes-first": lambda text, _: f"{_start(text)}.",
    "identity-first": lambda text, who: f"This is {text}." if who else f"The outfit is {text}.",
    "verbose": lambda text, _: f"The image shows {text}, as far as can be made out.",
    "narrative": lambda text, _: f"{_start(text)} can be seen there.",
    "hedging": lambda text, _: f"It looks like {text}, I think.",
    "bottom-up": lambda text, _: f"There is {text}.",
    "witness": lambda text, who: f"I am looking for {text}." if who else f"Last seen in {text}.",
}
