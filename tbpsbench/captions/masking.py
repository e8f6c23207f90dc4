"""Taking attributes out of captions, so that what is left is how they are written (HAM; BDAM, section 3.3).

The papers let a language model replace every attribute by a vague word. Without one a lexicon does: garments, colours,
hair, sex, age, build and belongings become "garment", "certain", "hair", "person", "item"; the rest of the sentence
stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tbpsbench.captions.lexicon import ADJECTIVES, NOUNS

# What stands for a noun of each slot, and for every run of adjectives.
VAGUE: dict[str, str] = {
    "person": "person", "hair": "hair", "beard": "feature", "skin": "skin", "upper": "garment", "lower": "garment",
    "shoes": "footwear", "bag": "item", "hat": "accessory", "glasses": "accessory", "accessory": "accessory",
    "carried": "item", "detail": "detail",
}  # fmt: skip
CERTAIN = "certain"
PRONOUNS = {
    "he": "they", "she": "they", "him": "them", "his": "their", "her": "their", "hers": "theirs",
    "himself": "themselves", "herself": "themselves",
}  # fmt: skip
_BOUND = r"(?<![\w-])(?:{})(?![\w-])"
_JOINT = r"(?:\s*,\s*|\s+and\s+|\s+)"  # between adjectives: "red and white striped", "tall, slim"


class LexiconMasker:
    """Masks by word lists.

    Args:
        nouns: slot -> words that name a thing; every slot needs an entry in `vague`.
        adjectives: slot -> words that describe one.
        vague: slot -> what is written instead of its nouns.
    """

    def __init__(
        self,
        nouns: Mapping[str, Iterable[str]] = NOUNS,
        adjectives: Mapping[str, Iterable[str]] = ADJECTIVES,
        vague: Mapping[str, str] = VAGUE,
    ) -> None:
        self._vague = {word: vague[slot] for slot, words in nouns.items() for word in words}
        self._slot_of = {word: slot for table in (adjectives, nouns) for slot, words in table.items() for word in words}
        adjective = _BOUND.format(_any_of(word for words in adjectives.values() for word in words))
        noun = _BOUND.format(f"(?:{_any_of(self._vague)})(?:es|s)?")
        # A word in both lists ("dress shoes", "a dress") is an adjective where another word of the lists follows.
        run = f"{adjective}(?:{_JOINT}{adjective})*"
        self._phrase = re.compile(
            rf"(?:(?P<run>{run})\s+)?(?P<noun>{noun})|(?P<alone>{run})|(?P<pronoun>{_BOUND.format('|'.join(PRONOUNS))})",
            re.IGNORECASE,
        )
        self._words = re.compile(rf"{noun}|{adjective}", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """The text with its attributes made vague; articles follow what they now stand before.

        "A tall man in a red and white striped T-shirt." -> "A certain person in a certain garment."
        """
        masked = self._phrase.sub(self._replace, text)
        return re.sub(r"\b([Aa])n?(?=\s+(\w))", lambda found: found[1] + _n(found[2]), masked)

    def slots(self, text: str) -> set[str]:
        """The slots that a text names, e.g. {"upper", "colour"}."""
        return {self._slot_of[self._known(found[0].lower())] for found in self._words.finditer(text)}

    def _replace(self, found: re.Match[str]) -> str:
        if found["pronoun"]:
            vague = PRONOUNS[found["pronoun"].lower()]
        elif found["alone"]:
            vague = CERTAIN
        else:
            noun = self._vague[self._known(found["noun"].lower())]
            vague = f"{CERTAIN} {noun}" if found["run"] else noun
        return vague.capitalize() if found[0][0].isupper() else vague

    def _known(self, word: str) -> str:
        """The entry of a word that may stand in the plural."""
        return next(form for form in (word, word.removesuffix("s"), word.removesuffix("es")) if form in self._slot_of)


def _any_of(words: Iterable[str]) -> str:
    """Alternatives, longest first; a space stands for any white space."""
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(words, key=len, reverse=True))


def _n(letter: str) -> str:
    return "n" if letter.lower() in "aeiou" else ""
