"""Whether two runs are one: bit for bit in what they learnt and in what they measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tbpsbench.weights.files import read_checkpoint


def unlike(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """The places where two nested values differ; tensors must agree in every bit."""
    if type(one) is not type(other):
        yield f"{path}: {type(one)} and {type(other)}"
    elif isinstance(one, dict):
        if one.keys() != other.keys():
            yield f"{path}: keys {sorted(map(str, one.keys() ^ other.keys()))}"
        for key in one.keys() & other.keys():
            yield from unlike(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            yield f"{path}: {len(one)} and {len(other)} items"
        for position, pair in enumerate(zip(one, other, strict=False)):
            yield from unlike(*pair, f"{path}/{position}")
    elif isinstance(one, torch.Tensor):
        if one.dtype != other.dtype or not torch.equal(one, other):
            yield f"{path}: other values"
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def resumed_parts(folder: Path, name: str = "last.pth") -> dict[str, Any]:
    """What a checkpoint holds that must not depend on whether its run was broken off."""
    content = read_checkpoint(folder / name)
    own = content["tbpsbench"]
    return {key: content[key] for key in ("state_dict", "optimizer", "meta")} | {
        key: own.get(key) for key in ("best", "history", "steps", "test_evaluations", "hooks")
    }


def unlike_records(one: Path, other: Path) -> Iterator[str]:
    """Where the records in two folders differ in what was measured and how it was chosen."""
    first, second = (json.loads((folder / "record.json").read_text()) for folder in (one, other))
    for part in ("results", "evidence", "selection", "seed", "spec", "config_sha256"):
        yield from unlike(first[part], second[part], f"record/{part}")
    if (one / "ranks.npz").read_bytes() != (other / "ranks.npz").read_bytes():
        yield "record/ranks.npz: other bytes"


def unlike_runs(one: Path, other: Path) -> list[str]:
    """Where two run folders differ."""
    found = [
        line
        for name in ("last.pth", "best.pth")
        for line in unlike(resumed_parts(one, name), resumed_parts(other, name), name)
    ]
    return [*found, *unlike_records(one / "record", other / "record")]
