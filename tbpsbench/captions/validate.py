"""What is wrong with a generated text: length, markup, refusals, repetition, contradictions, too little.

Every rule answers with a reason in plain words that begins with its name ("markup: '<'"), so that they can be counted.
A text with reasons is asked for again and then recorded as failed (`strict`), or kept with its reasons (`permissive`).
The rules are those failures that captioning runs were seen to have (docs/captions.md names where).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from tbpsbench.captions.reading import Reading, read
from tbpsbench.captions.slots import SIDES, Side
from tbpsbench.captions.terms import SLOT_OF

SPECIAL_TOKEN = re.compile(r"<\|\w+\|>")
MARKUP = re.compile(r"[<>{}|\\`#*_\[\]]|https?://|/n(?![a-z])|[\r\n]")
REASONING = re.compile(
    r"</?think|^\W*(?:okay|ok|alright|hmm|wait|let me|let's|first,? i|the user|i need to|i should|we need to|step \d)\b"
    r"|\b(?:the user (?:asks|asked|wants)|let me (?:think|check|see)|my (?:answer|reasoning))\b",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) sorry|i (?:can(?:no|')t|am unable|am not able|do not|don't|apologi[sz]e)|as an ai|language model"
    r"|cannot (?:assist|help|provide|identify|describe)|against (?:my|the) (?:policy|guidelines)|not comfortable)",
    re.IGNORECASE,
)
THINKS = re.compile(r"</?think", re.IGNORECASE)
DECLINES = re.compile(
    r"\b(?:i(?:'m| am) sorry|as an ai|language model|against (?:my|the) (?:policy|guidelines)|not comfortable"
    r"|(?:can(?:no|')t|unable to|not able to) (?:assist|help|provide|identify|describe))",
    re.IGNORECASE,
)
BOILERPLATE = re.compile(
    r"\b(?:not visible|cannot be (?:seen|determined|inferred)|can be inferred|imaginary content"
    r"|based on the (?:image|description|information|above)|above information|here is|here's|in summary|overall,"
    r"|rephrased|sure[,!]|certainly[,!]|description:|caption:|question|answer)",
    re.IGNORECASE,
)
SPEAKS_OF_PICTURE = re.compile(r"\b(?:image|photo(?:graph)?|picture|camera|i|i'm|we|my)\b", re.IGNORECASE)
ENDS = (".", "!", "?", '."', ".'")
RUN = re.compile(r"(\S)\1{5,}")
# Shares below which a text repeats itself: different words, different groups of three words.
MIN_WORDS_NEW, MIN_TRIGRAMS_NEW = 0.35, 0.7
MIN_LETTERS = 0.7
ONE_VALUE = ("sex", "hair_colour", "hair_style", "beard")


@dataclass(frozen=True)
class Rules:
    """What a text must be like.

    Attributes:
        min_words, max_words: its length in words; HAM's bounds.
        max_tokens: its length in CLIP's tokens, with start and end; 77 + 3 x 57 = 248 after stretching.
        min_slots: slots that it must say something about.
        about_picture: whether it may speak of "the image" and of "I".
        sentences: whether it must end as a sentence does; a style may ask for lists.
        denials: whether it may say that something is absent ("no hat").
        side: "identity" or "clothing": it may not name anything of the other side; "" for either.
        sides: slot -> side, where other than SIDES.
    """

    min_words: int = 8
    max_words: int = 130
    max_tokens: int = 248
    min_slots: int = 3
    about_picture: bool = False
    sentences: bool = True
    denials: bool = False
    side: Side | str = ""
    sides: Mapping[str, str] | None = None

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What came of checking a text.

    Attributes:
        reasons: what is wrong; empty for a sound text.
        slots: what it says something about.
    """

    reasons: tuple[str, ...]
    slots: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons

    @property
    def empty(self) -> bool:
        """Whether it is no text at all."""
        return any(reason.startswith("empty") for reason in self.reasons)


def tidy(text: str) -> str:
    """A reply as a text: without special tokens, control characters, doubled white space, quotation marks around it.

    A server that leaves its special tokens in a reply would take them for pictures and turns when they came back in the
    next prompt.
    """
    text = SPECIAL_TOKEN.sub(" ", text)
    text = "".join(character if character.isprintable() or character.isspace() else " " for character in text)
    text = " ".join(text.split())
    for left, right in (('"', '"'), ("“", "”"), ("'", "'")):
        if len(text) > 2 and text.startswith(left) and text.endswith(right) and text.count(left) <= 2:
            text = text[1:-1].strip()
    return text


def spoiled(reply: str) -> str | None:
    """Why a reply says nothing of a person: "reasoning" or "refusal"; None where it may.

    Milder than the rules of a caption: "I don't see a bag, but a red hat" is an answer.

    Args:
        reply: as the model gave it.
    """
    return next((name for name, found in (("reasoning", THINKS), ("refusal", DECLINES)) if found.search(reply)), None)


def check(reply: str, rules: Rules, finish_reason: str = "stop") -> Verdict:
    """Check a text against the rules.

    Args:
        reply: as the model gave it.
        rules: what it must be like.
        finish_reason: "length" for a reply that was cut off.
    """
    text, found = tidy(reply), read(reply)
    if not re.search(r"\w", text):
        return Verdict(("empty: no word",), ())
    reasons = [*_form(reply.strip(), text, finish_reason, rules), *_length(text, rules), *_manner(text, rules)]
    reasons += [*_repetition(text), *_contradictions(found), *_content(found, rules)]
    return Verdict(tuple(reasons), tuple(sorted(found.slots)))


def _form(raw: str, text: str, finish_reason: str, rules: Rules) -> Iterator[str]:
    if finish_reason == "length":
        yield "cut: the reply reached its longest length"
    elif rules.sentences and not text.endswith(ENDS):
        yield f"cut: ends with {text[-12:]!r}"
    if match := MARKUP.search(raw):
        yield f"markup: {match[0]!r}"
    if sum(c.isascii() and (c.isalpha() or c.isspace()) for c in text) < MIN_LETTERS * len(text):
        yield "letters: too few are of the English alphabet"


def _length(text: str, rules: Rules) -> Iterator[str]:
    words = len(text.split())
    if words < rules.min_words:
        yield f"short: {words} words, at least {rules.min_words}"
    if words > rules.max_words:
        yield f"long: {words} words, at most {rules.max_words}"
    elif len("".join(text.split()).encode()) + 2 > rules.max_tokens < (tokens := clip_tokens(text)):
        yield f"long: {tokens} CLIP tokens, at most {rules.max_tokens}"


def _manner(text: str, rules: Rules) -> Iterator[str]:
    for name, pattern in (("reasoning", REASONING), ("refusal", REFUSAL), ("boilerplate", BOILERPLATE)):
        if match := pattern.search(text):
            yield f"{name}: {match[0]!r}"
    if not rules.about_picture and (match := SPEAKS_OF_PICTURE.search(text)):
        yield f"picture: speaks of {match[0]!r}"


def _repetition(text: str) -> Iterator[str]:
    if match := RUN.search(text):
        yield f"run: {match[0][:8]!r}"
    words = [word.strip(".,;:!?").lower() for word in text.split()]
    if len(words) < 8:
        return
    sentences = [part.strip().lower() for part in re.split(r"[.!?]+", text) if part.strip()]
    if len({*sentences}) < len(sentences):
        yield "repetition: a sentence occurs twice"
    triples = [*zip(words, words[1:], words[2:], strict=False)]
    if len({*triples}) < MIN_TRIGRAMS_NEW * len(triples) or len({*words}) < MIN_WORDS_NEW * len(words):
        yield "repetition: the same words again and again"


def _contradictions(found: Reading) -> Iterator[str]:
    for factor in ONE_VALUE:
        if len(values := found.facts.get(factor, [])) > 1:
            yield f"contradiction: {SLOT_OF[factor]} is {' and '.join(values)}"
    for (_, kind), colours in found.coloured.items():
        if len(colours) > 1 and not frozenset.intersection(*colours):
            yield f"contradiction: two colours of the {kind}"
    for thing in sorted(found.denied & found.things):
        yield f"contradiction: {thing} is there and is not"


def _content(found: Reading, rules: Rules) -> Iterator[str]:
    if found.denied and not rules.denials:
        yield f"absent: says that there is no {sorted(found.denied)[0]}"
    if len(found.slots) < rules.min_slots:
        named = ", ".join(sorted(found.slots)) or "none"
        yield f"coverage: {len(found.slots)} slots ({named}), at least {rules.min_slots}"
    if rules.side in ("identity", "clothing"):
        sides = {**SIDES, **(rules.sides or {})}
        other = "clothing" if rules.side == "identity" else "identity"
        slots = found.slots | {SLOT_OF[thing] for thing in found.things}
        if foreign := sorted(slot for slot in slots if sides.get(slot) == other):
            yield f"side: {rules.side} text that names {', '.join(foreign)}"


@cache
def _tokenizer() -> Any:
    from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE

    return CLIPBPE(context_length=100_000, mask=False)


def clip_tokens(text: str) -> int:
    """Length in CLIP's tokens, start and end included."""
    return len(_tokenizer().encode(text))
