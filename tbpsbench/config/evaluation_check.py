"""What an evaluation asks for and cannot have, told from a config alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.config.open_sections import is_open
from tbpsbench.entries import Problem
from tbpsbench.rerankers.chain import chain_problems


def evaluation_problems(values: Mapping[str, Any], *, other_model: bool = False) -> Iterator[Problem]:
    """Protocols and metrics that are none, unknown or do without what is asked; re-rankers that cannot follow the one
    before, or whose loss is not there.

    Args:
        values: of a config without other problems.
        other_model: what is evaluated is not the model of this config.
    """
    section, known = values.get("evaluation") or {}, registry.PROTOCOLS.names()
    protocols = section.get("protocols", ())
    if "protocols" in section and not protocols:
        yield Problem(
            "evaluation.protocols", "is empty, so that nothing would be scored.", f"Name some of {', '.join(known)}."
        )
    if "metrics" in section and not section["metrics"]:
        yield Problem(
            "evaluation.metrics", "is empty, so that nothing would be scored.",
            f"Name some of {', '.join(registry.METRICS.names())}, each as dict(type=...).",
        )  # fmt: skip
    for name in protocols:
        if name not in known:
            message = f"no protocol is called {name!r}.{did_you_mean(name, known)}"
            yield Problem("evaluation.protocols", message, f"Known protocols: {', '.join(known)}")
    among = [name for name in protocols if name in known and registry.PROTOCOLS.get(name).distractors]
    if among and section.get("distractors") is None:
        yield Problem(
            "evaluation.distractors",
            f"the protocol {among[0]!r} needs a folder of pictures that match nobody, and none is named.",
            "Set evaluation.distractors=/path/to/folder, or leave the protocol out of evaluation.protocols.",
        )
    elif among and section.get("gallery_texts"):
        yield Problem(
            "evaluation.distractors",
            f"these pictures have no texts, which evaluation.gallery_texts={section['gallery_texts']!r} asks for.",
            f"Set evaluation.gallery_texts=None, or leave {among[0]!r} out of evaluation.protocols.",
        )
    if among and (other := next((key for key in ("rerank", "interactor") if section.get(key)), None)):
        yield Problem(
            f"evaluation.{other}",
            f"changes no result of the protocol {among[0]!r}, whose pictures are scored as they are read.",
            f"Leave {among[0]!r} out of evaluation.protocols, or evaluation.{other} out.",
        )
    if section.get("interactor") and section.get("rerank"):
        yield Problem(
            "evaluation.interactor",
            "and evaluation.rerank: one result can come of one of them, so that each is measured alone.",
            "Leave one of the two out.",
        )
    rerankers = section.get("rerank", ())
    yield from chain_problems([(one["type"], registry.RERANKERS.get(one["type"])) for one in rerankers])
    if not other_model and not is_open("model", values.get("model")):
        yield from _unanswered(rerankers, (values.get("model") or {}).get("losses") or {})


def _unanswered(rerankers: Any, losses: Mapping[str, Any]) -> Iterator[Problem]:
    """Re-rankers whose cross-encoder is not among a model's losses."""
    for place, component in enumerate(rerankers):
        entry = registry.RERANKERS.entry(component["type"])
        kind, named = entry.cls.asks, entry.parameters.get("loss")
        if kind not in registry.LOSSES.names() or named is None:
            continue
        name = component.get("loss", named.default)
        wanted = registry.LOSSES.get(kind)
        fitting = [
            known
            for known, loss in losses.items()
            if loss is not None and issubclass(registry.LOSSES.get(loss["type"]), wanted)
        ]
        if name not in fitting:
            yield Problem(
                f"evaluation.rerank.{place}.loss",
                f"{component['type']} asks the loss {name!r}, which this model has not as {kind} "
                f"(its losses of that kind: {', '.join(fitting) or 'none'}).",
                f"Train with model.losses.{name}=dict(type={kind!r}), or leave {component['type']} out of "
                "evaluation.rerank.",
            )
