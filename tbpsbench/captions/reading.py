"""What a caption says, read phrase by phrase: factor -> values. No model; good enough to count and to compare.

A text is cut into phrases at punctuation, "with", "and", "wearing" and the like. Within a phrase, what stands before a
noun is said of it: "a long, navy coat with a yellow print" is a navy coat, and yellow is its second colour. What is
denied ("no hat") is kept apart. How often MiniPEDES' captions are misread, whose words are known, is measured in
tests/captions/test_reading.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from tbpsbench.captions import terms
from tbpsbench.captions.terms import SLOT_OF, THINGS, VAGUE, Terms

_CUTS = (
    r"with|without|over|under|on|in|and|or|while|who|that|wearing|wears|wear|dressed|carrying|carries|holding|holds"
    r"|pulling|has|have|is|are|also|together|by|of|from|no|not"
)
CUT = re.compile(rf"[.;:,()]|\b(?:{_CUTS})\b")
_COLOUR = "|".join(re.escape(term) for written in terms.COLOURS.values() for term in written)
_TWO_COLOURS = re.compile(rf"\b({_COLOUR}) (?:and|/) (?={_COLOUR})")
NOUN_PATTERNS = frozenset(["stripes", "pinstripes", "checks", "dots", "print", "logo", "lettering", "graphic"])
HAIR_NOUNS = frozenset({"bald head", "buzz cut", "curls", "bob", "ponytail", "pony tail", "bun"})
SKIN_WORDS: Mapping[str, str] = {
    "fair": "fair", "pale": "fair", "light": "fair", "tanned": "tanned", "brown": "brown", "dark": "dark",
}  # fmt: skip
HAIR_COLOURS = {"fair": "blond", "ginger": "red"}
PERSON = frozenset({"sex", "age", "build", "height"})
# What stands between a noun and what is said of it afterwards.
AFTER = frozenset({"with", "and", "in", "is", "are", "of", ":"})
# What adds nothing to a colour that the same thing was given before.
SHADES = frozenset({"dark", "light"})


@dataclass(frozen=True, slots=True)
class Word:
    """A term of the lexicon in a phrase: what it may stand for."""

    kind: str
    value: str
    term: str


@dataclass
class Reading:
    """What a text says.

    Attributes:
        facts: factor -> values in the order of the text; vague ones ("a bag") are left out.
        things: every thing that it names, also by a vague word.
        denied: things that it says are not there.
        coloured: (thing, kind) -> the colours of each time that it was named, for contradictions.
    """

    facts: dict[str, list[str]] = field(default_factory=dict)
    things: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    coloured: dict[tuple[str, str], list[frozenset[str]]] = field(default_factory=dict)

    @property
    def slots(self) -> set[str]:
        """Slots about which it says anything, be it that there is nothing."""
        return {SLOT_OF[factor] for factor in {*self.facts, *self.denied}}

    def add(self, factor: str, *values: str) -> None:
        """Note that the text says so."""
        known = self.facts.setdefault(factor, [])
        known += [value for value in values if value not in known]


def read(text: str) -> Reading:
    """What a caption says about a person."""
    found = Reading()
    waiting: list[Word] = []  # said of the noun that comes
    last: Word | None = None
    for cut, phrase in _phrases(_prepared(text)):
        if not ((cut == "," and last is None) or (cut in (",", "and") and waiting)):
            waiting = []
        named = last
        last = None if cut in (".", ";") else last
        fresh = False
        for word in _words(phrase):
            if _is_noun(word):
                _say(found, word, waiting, cut, named)
                waiting, last, named, fresh = [], word, word, True
            else:
                waiting.append(word)
        if waiting and fresh:
            waiting = []
        elif waiting and named is not None and (cut in AFTER or (cut == "," and named.kind in ("sex", "person"))):
            _said_after(found, named, waiting, cut)
            waiting = [] if cut != "," else waiting
    found.facts = {factor: values for factor, values in found.facts.items() if values}
    return found


def _say(found: Reading, noun: Word, said: list[Word], cut: str, before: Word | None) -> None:
    """A noun with what stands before it."""
    colours = [word.value for word in said if word.kind == "colour"]
    if noun.kind in THINGS:
        if cut in ("no", "not", "without"):
            found.denied.add(noun.kind)
            return
        _say_thing(found, noun, said, colours, inner=cut == "over" and before is not None and before.kind == "upper")
    elif noun.kind in ("hair", "hair_style"):
        found.add("hair_colour", *[HAIR_COLOURS.get(value, value) for value in colours if value not in SHADES][:1])
        found.add("hair_style", *[w.value for w in said if w.kind == "hair_style" and noun.kind == "hair"][:1])
        if noun.kind == "hair_style":
            found.facts["hair_style"] = [noun.value]
    elif noun.kind == "skin noun":
        found.add("skin", *[SKIN_WORDS[word.term] for word in said if word.term in SKIN_WORDS][:1])
    elif noun.kind == "pattern":
        found.add("upper_pattern", noun.value)
        found.add("upper_accent", *colours[:1])
    elif noun.kind == "beard":
        found.add("beard", noun.value)
    else:
        for word in said:
            if word.kind in PERSON:
                found.add(word.kind, word.value)
        if noun.kind == "sex":
            found.add("sex", noun.value)
            if noun.term in ("girl", "boy"):
                found.facts["age"] = ["child"]


def _say_thing(found: Reading, noun: Word, said: list[Word], colours: list[str], *, inner: bool) -> None:
    kind, factor = noun.value, THINGS[noun.kind][1]
    found.things.add(noun.kind)
    if noun.term == "skirt":  # "a short red skirt"
        length = [word.term for word in said if word.term in ("short", "long")]
        kind = f"{length[-1]} skirt" if length else kind
    if inner:
        found.add("inner_colour", *colours[:1])
        return
    if kind not in VAGUE:
        found.add(noun.kind, kind)
    patterns = [word.value for word in said if word.kind == "pattern"]
    if noun.kind == "upper":
        found.add("upper_pattern", *patterns)
        found.add("upper_accent", *colours[1:2])
    if colours:
        found.add(factor, colours[0])
        found.coloured.setdefault((noun.kind, kind), []).append(frozenset(colours))


def _said_after(found: Reading, noun: Word, said: list[Word], cut: str) -> None:
    """What follows a noun: "a plaid shirt with red", "a T-shirt in red", "skin: fair"."""
    colours = [word.value for word in said if word.kind == "colour"]
    if cut in ("with", "and") and noun.kind not in ("sex", "person"):
        if noun.kind == "upper":
            found.add("upper_accent", *colours[:1])
    else:
        _say(found, noun, said, cut, None)


def _is_noun(word: Word) -> bool:
    if word.kind == "pattern":
        return word.term in NOUN_PATTERNS
    if word.kind == "hair_style":
        return word.term in HAIR_NOUNS
    return word.kind in THINGS or word.kind in ("sex", "person", "hair", "skin noun", "beard", "figure")


def _prepared(text: str) -> str:
    plain = " ".join(text.lower().replace("’", "'").split())
    plain = plain.replace("no hair", "bald head").replace("bald man", "bald head man")
    plain = plain.replace("ankle-length", "long").replace("average build and height", "average build, average height")
    plain = _TWO_COLOURS.sub(r"\1 & ", plain)
    return re.sub(r"\bsomething ([\w ]+?) below", r"\1 garment below", plain)


def _phrases(plain: str) -> Iterator[tuple[str, str]]:
    """(what stands before it, phrase)."""
    at, cut = 0, "."
    for match in CUT.finditer(plain):
        if phrase := plain[at : match.start()].strip():
            yield cut, phrase
            cut = match[0]
        elif match[0] not in (",", "also", "and") or cut in (".", ""):
            cut = match[0]
        at = match.end()
    if phrase := plain[at:].strip():
        yield cut, phrase


def _words(phrase: str) -> Iterator[Word]:
    expression, words = _terms()
    for match in expression.finditer(phrase):
        yield from words[match[0]]


@cache
def _terms() -> tuple[re.Pattern[str], Mapping[str, tuple[Word, ...]]]:
    """One expression for all terms, the longest first, and what each may stand for."""
    tables: dict[str, Terms] = {
        "colour": {**terms.COLOURS, "fair": ("fair", "pale", "tanned")}, "age": terms.AGE, "build": terms.BUILD,
        "height": terms.HEIGHT, "hair_style": terms.HAIR_STYLE, "beard": terms.BEARD,
        "pattern": terms.PATTERN, "hair": {"hair": ("hair",)}, "skin noun": {"skin": ("skin",)},
        "person": {"person": ("person", "pedestrian", "individual", "he", "she", "they")}, "sex": terms.SEX,
        "figure": {"figure": ("build", "height")},
        **{factor: table for factor, (table, _) in THINGS.items()},
    }  # fmt: skip
    meanings: dict[str, dict[str, Word]] = {}
    for kind, table in tables.items():
        for value, written in table.items():
            for term in written:
                meanings.setdefault(term, {})[kind] = Word(kind, value, term)
    longest = sorted(meanings, key=lambda term: (-len(term), term))
    expression = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-]|'s)")
    return expression, {term: tuple(words.values()) for term, words in meanings.items()}
