"""Badges: what a reader must know before comparing a record's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbpsbench.records.changed import changes_of
from tbpsbench.records.identity import TRAINING, data_key
from tbpsbench.records.started import UNKNOWN, starts

SIMULATED = "simulated descriptions"
SIMULATED_CAPTIONS = "simulated captions"
UNKNOWN_START = "started from unknown training"
CHANGED = "config changed while training"
TALKED = ("simulated dialogue", "answered by a witness", "answered from the target")
# A status, a badge and the type of a model: features or rankings that other code made.
EXTERNAL = "external"
FEATURES, SIMILARITY, ANSWERS = GIVEN = ("features", "similarity", "answers")


def badges_of(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know before comparing a record's numbers."""
    badges = ["selected on test"] if _selected_on_test(record) else []
    badges += [EXTERNAL] if is_external(record) else []
    badges += ["checkpoint given"] if record["selection"]["rule"] == "given" and not is_external(record) else []
    badges += ["leak allowed"] if record["leaks"] else []
    badges += ["transductive"] if any(one["transductive"] for one in record.get("rerank", ())) else []
    badges += talked_badges(record.get("interaction"))
    badges += ["partial data"] if record["data"].get("partial") else []
    badges += [f"started from {start['name']}" for start in starts(record)]
    badges += [UNKNOWN_START] if any(start["trained_on"] == UNKNOWN for start in starts(record)) else []
    badges += [CHANGED] if any(changes_of(one) for one in (record, *starts(record))) else []
    badges += [SIMULATED] if simulated(record) else []
    badges += [SIMULATED_CAPTIONS] if simulated_captions(record) else []
    return badges


def talked_badges(interaction: Mapping[str, Any] | None) -> list[str]:
    """What must be known of an interaction: that nobody real was asked, or that who was asked knows the person."""
    if not interaction:
        return []
    nobody, witness, oracle = TALKED
    found = [nobody] if interaction["simulated"] else []
    knows = {"witness": witness, "oracle": oracle}.get(interaction["answerer"])
    return [*found, *([knows] if knows else [])]


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
        for source in _learnt(record)
        if source.get("role") not in ("captions", TRAINING)
    )


def simulated_captions(record: Mapping[str, Any]) -> bool:
    """Whether training showed captions that a simulation wrote, which stands for a model that looks at images."""
    return any(source.get("notes", {}).get("simulated") for source in _learnt(record) if source.get("role") == TRAINING)


def _learnt(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The text files of a record, and of the systems that its training started from."""
    return [source for one in (record, *starts(record)) for source in one["data"].get("sources", [])]


def _selected_on_test(record: Mapping[str, Any]) -> bool:
    """Whether the evaluated test split chose the checkpoint, or that of a system that training started from."""
    if record["selection"]["rule"] == "test":
        return True
    tested = [start["data"]["component"] for start in starts(record) if start["selection"]["rule"] == "test"]
    return any(data_key(component) == data_key(record["data"]["component"]) for component in tested)
