"""What a judge said, read strictly: yes, no, or neither, which counts as no."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
BOTH = re.compile(r"\byes\b\W*(?:/|or|and)\W*\bno\b|\bno\b\W*(?:/|or|and)\W*\byes\b")
# What a model thinks before it answers is no answer; thoughts that do not end were cut off before one.
THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
# The other ways of saying yes that are taken, from the beginning of a reply.
SAYS = re.compile(
    r"\W*(?:(?:so|well|ok|okay|sure|oh|therefore|hence|then|definitely|certainly|absolutely|clearly)\W+)*"
    r"(?:(?:the|my)\s+(?:final\s+|short\s+)?(?:answer|verdict)(?:\s+to\s+(?:the|this|your)\s+question)?"
    r"(?:\s+(?:is|would\s+be))?|(?:final\s+)?answer|i(?:'d|\s+would|\s+will|\s+must|\s+have\s+to)?\s+(?:say|answer))?"
    r"\W*yes\b"
)


def says_yes(reply: str) -> bool:
    """Whether a reply to "yes or no?" is a yes.

    A reply is what its first word says: "Yes, the coat is red." is one, "No, her eyes ..." and "yesterday" are not.
    Where it begins otherwise it must begin with a phrase that says so ("The answer is yes.", "I would say yes"), and
    hold neither "no" nor "not". A "no" that stands alone takes a yes back.
    """
    plain = THOUGHTS.sub(" ", unicodedata.normalize("NFKC", reply).lower().replace("’", "'"))
    words = WORD.findall(plain)
    if not words or BOTH.search(plain):
        return False
    if words[0] in ("yes", "no"):
        alone = [WORD.findall(sentence) for sentence in re.split(r"[.!?\n]", plain)]
        return words[0] == "yes" and ["no"] not in alone
    told = set(words)
    denied = told & {"no", "not", "cannot", "never"} or any(w.endswith("n't") for w in told)
    return not denied and SAYS.match(plain) is not None
