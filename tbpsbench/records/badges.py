"""Badges: what a reader must know before comparing a record's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbpsbench.records.identity import TRAINING

SIMULATED = "simulated descriptions"
SIMULATED_CAPTIONS = "simulated captions"
# A status, a badge and the type of a model: features or rankings that other code made.
EXTERNAL = "external"
FEATURES, SIMILARITY, ANSWERS = GIVEN = ("features", "similarity", "answers")


def badges_of(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know before comparing a record's numbers."""
    badges = ["selected on test"] if record["selection"]["rule"] == "test" else []
    badges += [EXTERNAL] if is_external(record) else []
    badges += ["checkpoint given"] if record["selection"]["rule"] == "given" and not is_external(record) else []
    badges += ["leak allowed"] if record["leaks"] else []
    badges += ["transductive"] if any(one["transductive"] for one in record.get("rerank", ())) else []
    badges += ["partial data"] if record["data"].get("partial") else []
    badges += [SIMULATED] if simulated(record) else []
    badges += [SIMULATED_CAPTIONS] if simulated_captions(record) else []
    return badges


def is_external(record: Mapping[str, Any]) -> bool:
    """Whether other code made what was scored, so that nothing about the model and its training is known."""
    return bool(record.get("status") == EXTERNAL)


def shows_two_towers(record: Mapping[str, Any]) -> bool:
    """Whether what was scored shows that captions and images were embedded apart: similarities of other code do not."""
    return not is_external(record) or record["config"]["model"]["given"] == FEATURES


def simulated(record: Mapping[str, Any]) -> bool:
    """Whether training or the gallery had descriptions made by a simulation instead of a person or a model.

    Query captions are no descriptions. A file that was made from a simulated one without its notes still says from
    what.
    """
    return any(
        source.get("notes", {}).get("simulated") or "describer" in source.get("made_from", {})
        for source in record["data"].get("sources", [])
        if source.get("role") not in ("captions", TRAINING)
    )


def simulated_captions(record: Mapping[str, Any]) -> bool:
    """Whether training showed captions that a simulation wrote, which stands for a model that looks at images."""
    return any(
        source.get("notes", {}).get("simulated")
        for source in record["data"].get("sources", [])
        if source.get("role") == TRAINING
    )
