"""How replies to several numbered questions are cut into answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tbpsbench.captions.answers import numbered_answers, why_dropped
from tbpsbench.captions.reading import read
from tbpsbench.captions.validate import spoiled
from tbpsbench.interaction.rules import Rules
from tbpsbench.interaction.turns import MODEL, Answered, Ask

_DONT_KNOW = re.compile(
    r"^\W*(?:i\s+)?(?:do not|don't|dont|can't|cannot)\s+(?:know|tell|say|remember)\b|^\W*no idea\b", re.IGNORECASE
)


def released_answers(reply: str) -> list[str]:
    """As the released code of ICL does it: of each line, cut at ". ", the second piece without "Yes, " and "No, ".

    Lines with a colon are dropped; a line of one piece gives an empty answer.
    """
    found = []
    for line in reply.split("\n"):
        if ":" in line:
            continue
        pieces = line.split(". ")
        text = pieces[1].replace("Yes, ", "").replace("No, ", "") if len(pieces) > 1 else ""
        if len(pieces) > 1:
            text = text[:1].upper() + text[1:]
            text = text if text.endswith(".") else f"{text}."
        found.append(text)
    return found


def kept_answers(answers: Sequence[str], known: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Answers that say something new, and the others, each with the reason behind a tab.

    Args:
        answers: one for each question; "" for none.
        known: the query and what was answered before.
    """
    kept, dropped, texts = list[str](), list[str](), list(known)
    for answer in answers:
        why = spoiled(answer) or why_dropped(answer, texts, read(" ".join(texts)))
        if why is None:
            kept.append(answer.strip())
            texts.append(answer)
        else:
            dropped.append(f"{answer.strip()}\t{why}")
    return tuple(kept), tuple(dropped)


def answered(step: Ask, reply: str, known: Sequence[str], rules: Rules, by: str = MODEL) -> Answered:
    """The turn that a reply to questions is.

    Args:
        step: what was asked.
        reply: what was said to it, one sentence or numbered lines.
        known: the query and the answers so far.
        rules: whether answers are filtered, and how a reply to fixed questions is cut.
        by: "model" or "person".
    """
    one = len(step.questions) == 1
    if rules.filter_answers:
        cut = [reply.strip()] if one else numbered_answers(reply, len(step.questions))
        cut = ["not visible" if _DONT_KNOW.match(text) else text for text in cut]
        kept, dropped = kept_answers(cut, known)
    else:
        kept, dropped = tuple([reply.strip()] if one and reply.strip() else released_answers(reply)), ()
    slots, questions = (tuple(getattr(question, key) for question in step.questions) for key in ("slot", "text"))
    return Answered(slots, questions, kept, dropped, step.image, by, reply)


__all__ = ["answered", "kept_answers", "numbered_answers", "released_answers"]
