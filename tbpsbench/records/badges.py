"""Badges: what a reader must know before comparing a record's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def badges_of(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know before comparing a record's numbers."""
    badges = ["selected on test"] if record["selection"]["rule"] == "test" else []
    badges += ["checkpoint given"] if record["selection"]["rule"] == "given" else []
    badges += ["leak allowed"] if record["leaks"] else []
    badges += ["partial data"] if record["data"].get("partial") else []
    badges += ["simulated descriptions"] if simulated(record) else []
    return badges


def simulated(record: Mapping[str, Any]) -> bool:
    """Whether a text source of this record was made by a simulation instead of a person or a model."""
    return any(source.get("notes", {}).get("simulated") for source in record["data"].get("sources", []))
