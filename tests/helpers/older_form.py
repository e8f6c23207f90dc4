"""Checkpoints as they were written before they held their system whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tbpsbench.weights.checkpoint import KEY

OLD = ("config", "data", "best", "history", "seconds", "energy", "peak_memory", "hooks")


def write_older(checkpoint: Path, out: Path, **changed: Any) -> Path:
    """Write a checkpoint of today in the older form; `changed` replaces what it says of its run."""
    content = torch.load(checkpoint, weights_only=True)
    own: Mapping[str, Any] = {key: content[KEY][key] for key in OLD if key in content[KEY]}
    torch.save({**content, KEY: {**own, **changed}}, out)
    return out
