"""Which re-rankers can follow each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tbpsbench.entries import Problem
from tbpsbench.rerankers.base import Reranker

# What stands for the scores, by what `Reranker.reads` calls it.
READ = {"vectors": "the vectors of queries and images", "bank": "similarities of training captions with the images"}


def chain_problems(chain: Sequence[tuple[str, type[Reranker]]]) -> Iterator[Problem]:
    """Re-rankers that can only come first and do not, by what they say that they read.

    Args:
        chain: name and class of each, in their order.
    """
    first_only = [name for name, cls in chain if _only_first(cls)]
    hint = f"{' and '.join(dict.fromkeys(first_only))} can only come first: keep one of them, or evaluate each alone."
    for place, (name, cls) in enumerate(chain):
        if not place or not _only_first(cls):
            continue
        before = chain[place - 1][0]
        if "scores" in cls.reads:
            why = (
                f"{name} holds the scores against {READ['bank']}; {before} before it has replaced them by scores of "
                "another kind."
            )
        else:
            why = unread(name, before, f", but {' and '.join(READ.get(what, what) for what in cls.reads)}")
        yield Problem(
            f"evaluation.rerank.{place}", why, hint if len(first_only) > 1 else f"Put {name} first, or leave it out."
        )


def unread(name: str, before: str, instead: str = "") -> str:
    """Why a re-ranker that does not read the scores so far cannot follow another one.

    Args:
        name, before: the two.
        instead: what it reads.
    """
    return f"{name} does not read the scores of {before} before it{instead}: what {before} found would be lost."


def _only_first(cls: type[Reranker]) -> bool:
    return "scores" not in cls.reads or "bank" in cls.reads
