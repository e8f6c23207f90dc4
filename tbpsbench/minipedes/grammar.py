"""Captions: annotators with ten styles describe what one image shows.

An annotator has a style, favourite words and a habit of leaving things out. Phrases come from `Words`, which only knows
visible factors and records each one that is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.words import Facts, Words, article, listed

ANNOTATORS = 30


@dataclass(frozen=True, slots=True)
class Sentence:
    """A caption.

    Attributes:
        text: the words.
        style: the annotator's style; `annotator`: their number.
        mentions: factors that the text names, sorted.
    """

    text: str
    style: str
    annotator: int
    mentions: tuple[str, ...]


@dataclass(slots=True)
class Writer:
    """Words plus the annotator's diligence in percent."""

    words: Words
    care: int

    def maybe(self, phrase: Callable[[], str], percent: int = 100) -> str:
        """The phrase, or "" if this annotator leaves it out."""
        return phrase() if self.words.dice.chance(percent * self.care // 100) else ""

    def item(self, kind: str, percent: int = 100) -> str:
        """Bag, hat, glasses or carried object, unless left out."""
        return self.maybe(lambda: self.words.item(kind), percent)

    def a_upper(self) -> str:
        """The upper garment with its article."""
        text = self.words.upper()
        return f"{article(text)} {text}" if text else ""

    def looks(self, *, stature: int = 50) -> str:
        """E.g. "a tall, slim young man"; `stature` percent name height and build."""
        adjectives = self.words.stature(percent=stature)
        text = f"{', '.join(adjectives)} {self.words.noun()}".strip()
        return f"{article(text)} {text}"

    def features(self, skin: int = 40) -> str:
        """Hair, beard and skin as a list."""
        w = self.words
        return listed([self.maybe(w.skin, skin), self.maybe(w.hair, 105), self.maybe(w.beard, 100)])

    def extras(self, percent: int = 90) -> list[str]:
        """Hat, glasses."""
        return [self.item("hat", percent), self.item("glasses", percent)]

    def clothes(self) -> list[str]:
        """Upper, lower, shoes."""
        return [self.maybe(self.a_upper, 145), self.maybe(self.words.lower, 130), self.maybe(self.words.shoes, 75)]

    def luggage(self, percent: int = 92) -> list[str]:
        """Bag and carried object as participles."""
        w, found = self.words, []
        if w.has("bag") and w.dice.chance(percent * self.care // 100):
            verb = {"backpack": "wearing", "suitcase": "pulling"}.get(w.facts.values["bag"], "carrying")
            found.append(f"{verb} {w.item('bag')}")
        if w.has("carried") and w.dice.chance(percent * self.care // 100):
            found.append(f"{'carrying' if w.facts.values['carried'] == 'box' else 'holding'} {w.item('carried')}")
        return found


def _terse(s: Writer) -> str:
    w = s.words
    parts = [
        f"{' '.join(w.stature(percent=35))} {w.noun(age=w.dice.chance(65))}".strip(),
        s.maybe(w.hair, 75),
        w.upper(details=w.dice.chance(60)),
        w.lower(),
    ]
    return ", ".join(p for p in parts if p) + "."


def _telegraphic(s: Writer) -> str:
    w = s.words
    first = [w.noun(), *w.stature(percent=55), s.maybe(w.skin, 35)]
    lines = [
        first,
        [s.maybe(w.hair), s.maybe(w.beard)],
        [w.upper(), w.lower(), s.maybe(w.shoes, 70)],
        [*s.extras(), s.item("bag", 95), s.item("carried", 95)],
    ]
    return " ".join(f"{_start(', '.join(p for p in line if p))}." for line in lines if any(line))


def _list(s: Writer) -> str:
    w = s.words
    fields = [
        ("person", ", ".join([w.noun(), *w.stature(percent=55)])),
        ("hair", s.maybe(w.hair, 105)),
        ("face", listed([s.maybe(w.beard), s.item("glasses")])),
        ("skin", s.maybe(w.skin, 40).removesuffix(" skin")),
        ("top", w.upper()),
        ("bottom", w.lower()),
        ("shoes", s.maybe(w.shoes, 85)),
        ("hat", s.item("hat")),
        ("bag", s.item("bag")),
        ("in hand", s.item("carried")),
    ]
    return "; ".join(f"{name}: {text}" for name, text in fields if text)


def _clothes_first(s: Writer) -> str:
    w = s.words
    worn = listed(s.clothes()) or listed([w.upper(), w.lower()]) or "Outdoor clothes"
    who, features, rest = s.looks(stature=35), s.features(skin=25), s.extras()
    text = f"{_start(worn)}, worn by {who}{' with ' + features if features else ''}."
    more = listed([*rest, *(s.item(kind) for kind in ("bag", "carried"))])
    return f"{text} Also {more}." if more else text


def _identity_first(s: Writer) -> str:
    w = s.words
    who, features = s.looks(stature=80), s.features(skin=65)
    text = f"{_start(who)}{' with ' + features if features else ''}. "
    worn = listed([*s.clothes(), *s.extras(70)])
    text += f"{_start(w.pronoun())} {w.verb('wears', 'wear')} {worn}." if worn else ""
    more = listed(s.luggage(80))
    return f"{text.strip()} {_start(more)}." if more else text.strip()


def _verbose(s: Writer) -> str:
    w = s.words
    who, features = s.looks(stature=70), s.features(skin=60)
    text = f"The image shows {who} {w.action()}"
    text += f"; {w.pronoun()} {w.verb('has', 'have')} {features}. " if features else ". "
    upper, lower, shoes = s.maybe(s.a_upper, 130), s.maybe(w.lower, 130), s.maybe(w.shoes, 105)
    if upper or lower:
        text += f"{_start(w.pronoun())} {w.verb('is', 'are')} dressed in {listed([upper, lower], 'together with')}"
        text += f", and on {w.pronoun(1)} feet there are {shoes}. " if shoes else ". "
    rest = listed(s.extras(110))
    text += f"{_start(w.pronoun())} {w.verb('is', 'are')} also wearing {rest}. " if rest else ""
    more = listed(s.luggage(110))
    return (text + (f"In addition, {w.pronoun()} {w.verb('is', 'are')} {more}." if more else "")).strip()


def _narrative(s: Writer) -> str:
    w = s.words
    who = s.looks(stature=45)
    action, features = w.action(), s.features(skin=30)
    worn = listed([*s.clothes(), *s.extras(80)])
    more = listed(s.luggage())
    text = f"{_start(who)} is seen {action}"
    text += f", {more}" if more else ""
    text += f". {_start(w.pronoun())} {w.verb('has', 'have')} {features}" if features else ""
    if not worn:
        return f"{text}."
    return text + (f" and {w.verb('wears', 'wear')} {worn}." if features else f", dressed in {worn}.")


def _hedging(s: Writer) -> str:
    w = s.words
    who, features = s.looks(stature=55), s.features(skin=35)
    text = f"{w.choose(('Probably', 'It looks like', 'This seems to be'))} {who}"
    text += (
        f", {w.choose(('apparently with', 'I think with', 'with what looks like'))} {features}. " if features else ". "
    )
    worn = listed(s.clothes())
    text += f"{_start(w.pronoun())} {w.verb('seems', 'seem')} to be wearing {worn}" if worn else "Hard to say more"
    more = listed([*s.extras(70), *(s.item(kind, 75) for kind in ("bag", "carried"))])
    return text + (f", perhaps also {more}." if more else ".")


def _bottom_up(s: Writer) -> str:
    w = s.words
    worn = [s.maybe(w.shoes, 115), w.lower(), s.a_upper()]
    text = f"{_start(listed(worn))} on {s.looks(stature=40)}" if any(worn) else _start(s.looks())
    features = listed([s.maybe(w.hair, 100), s.maybe(w.beard), *s.extras()])
    more = s.luggage(85)
    return text + (f" with {features}" if features else "") + (f", {listed(more)}" if more else "") + "."


def _witness(s: Writer) -> str:
    w = s.words
    who, features = s.looks(stature=75), s.features(skin=55)
    text = f"{w.choose(('I am looking for', 'We are searching for', 'Please find'))} {who}"
    text += f" with {features}" if features else ""
    worn = listed([*s.clothes(), *s.extras(85)])
    text += f", last seen in {worn}" if worn else ""
    more = listed(s.luggage(85))
    return text + (f" and {more}." if more else ".")


STYLES: dict[str, Callable[[Writer], str]] = {
    "terse": _terse, "telegraphic": _telegraphic, "list": _list, "clothes-first": _clothes_first,
    "identity-first": _identity_first, "verbose": _verbose, "narrative": _narrative, "hedging": _hedging,
    "bottom-up": _bottom_up, "witness": _witness,
}  # fmt: skip
MIX: dict[str, tuple[tuple[str, int], ...]] = {
    "street": tuple((style, 1) for style in STYLES),
    "indoor": tuple((style, 3 if style in ("list", "witness", "verbose", "telegraphic") else 1) for style in STYLES),
}


def annotators_for(seed: int, image_key: tuple[int | str, ...], domain: str) -> list[int]:
    """Two different annotators for an image."""
    dice = Dice(seed, "annotators", *image_key)
    # Annotator number n has style n mod 10; the domain decides how much work each style gets.
    pool = [n for n in range(ANNOTATORS) for _ in range(dict(MIX[domain])[_style(n)])]
    first = dice.pick(pool)
    return [first, dice.pick([n for n in pool if _style(n) != _style(first)])]


def _style(annotator: int) -> str:
    return tuple(STYLES)[annotator % len(STYLES)]


def hand(seed: int, key: tuple[int | str, ...], annotator: int, facts: Facts) -> tuple[str, Writer]:
    """An annotator's style, and what they write a text with; `key` decides the choices of this text."""
    habits = Dice(seed, "annotator", annotator)
    style, care, taste = _style(annotator), habits.between(56, 90), habits.below(60)
    return style, Writer(Words(facts, Dice(seed, "caption", *key, annotator), taste), care)


def write(seed: int, image_key: tuple[int | str, ...], annotator: int, facts: Facts) -> Sentence:
    """The caption of one annotator for one image."""
    style, writer = hand(seed, image_key, annotator, facts)
    text = " ".join(STYLES[style](writer).split())
    return Sentence(text, style, annotator, tuple(sorted(writer.words.mentioned)))


def _start(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]
