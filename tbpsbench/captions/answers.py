"""Answers of a dialogue: cut out of a reply, and judged before they may enter a caption."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from tbpsbench.captions.reading import Reading, read

# "No, her eyes ..." and "a shirt with no visible logo" are answers; "No hat", "none" and "cannot be seen" are not.
NOTHING = re.compile(
    r"(?<!\bwith )\bnot? (?:\w+ )?(?:visible|clear|shown|seen|discernible|possible to)\b"
    r"|\b(?:invisible|cannot be|can't be|can not be|unclear|unknown|not sure|hard to (?:say|tell)|unable to|n/?a)\b"
    r"|^\W*(?:none|nothing|no)\W*$",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"^\W*(?:no|without|there (?:is|are) no|(?:the person|he|she|they) (?:(?:is|are) not|(?:do|does) not|has no|have no"
    r"|wears no|wear no|carries no|carry no|holds no|hold no))\b",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"^\W*(\d{1,2})\s*[.):-]\s*(.*)$")
COMMON = frozenset(
    re.findall(
        r"\S+",
        "a an the is are was has have with and or of in on at to by from it its he she they his her their person wears "
        "wear wearing carries carry carrying holds hold holding seen can be this that there who which as for no not",
    )
)
# Of an answer that the lexicon reads nothing in: the least share of its words that must be new.
MIN_NEW = 0.34


def numbered_answers(reply: str, count: int) -> list[str]:
    """The answers to `count` numbered questions, "" for each that is missing; lines without a number go on the last."""
    answers, current = [""] * count, -1
    for line in reply.splitlines():
        found = NUMBERED.match(line)
        if found and 1 <= int(found[1]) <= count:
            current = int(found[1]) - 1
            answers[current] = found[2].strip()
        elif current >= 0 and line.strip():
            answers[current] = f"{answers[current]} {line.strip()}".strip()
    return answers


def why_dropped(answer: str, known: Sequence[str], facts: Reading) -> str | None:
    """Why an answer does not enter the caption, or None.

    Args:
        answer: one sentence.
        known: the static caption and the answers kept so far.
        facts: what they say, together.

    Returns:
        "unanswered", "not visible", "absent", "repeated", "contradicts" or None.
    """
    if not answer.strip():
        return "unanswered"
    if NOTHING.search(answer):
        return "not visible"
    if ABSENT.search(answer):
        return "absent"
    said = read(answer)
    if said.facts:
        if _contradicts(said, facts):
            return "contradicts"
        new = any({*values} - {*facts.facts.get(factor, ())} for factor, values in said.facts.items())
        return None if new else "repeated"
    words = content_words(answer)
    seen = {word for text in known for word in content_words(text)}
    return "repeated" if not words or len(words - seen) / len(words) < MIN_NEW else None


def kept_of(answer: str, known: Sequence[str], facts: Reading, parts: int) -> tuple[str, str | None]:
    """What of an answer may enter the caption.

    Args:
        answer: to a question about `parts` things. To several, each sentence is judged by itself: the glasses stay
            where there is no hat.
        known, facts, parts: see `why_dropped`.

    Returns:
        what is kept and None, or the whole answer and why it is dropped.
    """
    sentences = re.split(r"(?<=[.;!])\s+", answer.strip()) if parts > 1 else [answer]
    reasons = {sentence: why_dropped(sentence, known, facts) for sentence in sentences}
    kept = [sentence for sentence, reason in reasons.items() if reason is None]
    return (" ".join(kept), None) if kept else (answer, next(iter(reasons.values())))


def _contradicts(said: Reading, known: Reading) -> bool:
    """Whether an answer says otherwise of what can be one way only."""
    return any(
        values and known.facts.get(factor) and not {*values} & {*known.facts[factor]}
        for factor, values in said.facts.items()
        if factor in ONE_WAY
    )


ONE_WAY: Collection[str] = (
    "sex", "hair_style", "hair_colour", "lower", "lower_colour", "shoes", "shoe_colour",
)  # fmt: skip


def content_words(text: str) -> set[str]:
    """The words of a text that say something, in lower case."""
    return set(re.findall(r"[a-z][a-z-]+", text.lower())) - COMMON
