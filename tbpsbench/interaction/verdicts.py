"""What a judge said, read strictly: yes, no, or neither, which counts as no."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
BOTH = re.compile(r"\byes\b\W*(?:/|or|and)\W*\bno\b|\bno\b\W*(?:/|or|and)\W*\byes\b")


def says_yes(reply: str) -> bool:
    """Whether a reply to "yes or no?" is a yes.

    A reply is what its first word says: "Yes, the coat is red." is one, "No, her eyes ..." and "yesterday" are not.
    Where it begins otherwise ("The answer is yes.", "I would say yes"), it must hold "yes" and neither "no" nor "not".
    """
    plain = unicodedata.normalize("NFKC", reply).lower().replace("’", "'")
    words = WORD.findall(plain)
    if not words or BOTH.search(plain):
        return False
    if words[0] in ("yes", "no"):
        return words[0] == "yes"
    told = set(words)
    return "yes" in told and not told & {"no", "not", "cannot", "never"} and not any(w.endswith("n't") for w in told)
