"""Plug-ins for the length of a test."""

import pytest


@pytest.fixture
def register():
    """Register a class as "Toy" in a slot; gives its component."""
    added = []

    def add(slot, cls, **kwargs):
        slot.register("Toy", **kwargs)(cls)
        added.append(slot)
        return {"type": "Toy"}

    yield add
    for slot in added:
        slot.remove("Toy")
