"""What a record says of a config that was changed while its run was trained (`--allow-config-change`).

    config_changes   [{"epoch": 3, "key": "optimizer.lr", "before": "0.01", "after": "0.001"}, ...], in order

`epoch` counts the epochs that were done before the change; values are JSON. The config of a record is the last one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

CHANGES = "config_changes"


def change(epoch: int, key: str, before: Any, after: Any) -> dict[str, Any]:
    """One change, of plain values."""
    return {"epoch": epoch, "key": key, "before": json.dumps(before), "after": json.dumps(after)}


def changes_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All changes, in order."""
    return list(record.get(CHANGES, ()))


def seen_by(record: Mapping[str, Any], epoch: int | None) -> list[Mapping[str, Any]]:
    """The changes that came before a checkpoint of this epoch; all of them for None."""
    return [one for one in changes_of(record) if epoch is None or one["epoch"] < epoch]


def values_at(record: Mapping[str, Any], epoch: int | None) -> dict[str, str]:
    """The values that held at this epoch of keys that were changed later, as JSON."""
    later = changes_of(record)[len(seen_by(record, epoch)) :]
    return {one["key"]: one["before"] for one in reversed(later)}


def was_changed(record: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether one of these keys, or one below them, was changed."""
    keys = [str(one["key"]) for one in changes_of(record)]
    return any(key == name or key.startswith(f"{name}.") for key in keys for name in names)


def change_problems(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, what is wrong) of what a record of the right shape says of its changes."""
    done = 0
    for place, one in enumerate(changes_of(record)):
        if not done <= one["epoch"] <= record["config"]["schedule"]["max_epochs"]:
            yield f"{CHANGES}.{place}.epoch", f"is {one['epoch']}: changes come in order, within the run's epochs"
        done = one["epoch"]
