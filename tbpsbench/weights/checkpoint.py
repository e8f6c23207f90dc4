"""The form of our checkpoints: the weights, and the description of the system that they belong to.

    state_dict     names and tensors of the model
    tbpsbench      format, name, config, facts, settled, tokenizer, preprocess, roles, trained_on   (see system.py)
                   and of a run in training: best, history, seconds, energy, peak_memory, hooks, data,
                   plugins
    meta, optimizer, message_hub   what mmengine resumes from

Everything is tensors and plain data, so that `torch.load(weights_only=True)` reads it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tbpsbench.errors import CheckpointError
from tbpsbench.files import atomic_write
from tbpsbench.weights.files import plain_names, read_checkpoint, require_plain

FORMAT = 2
KEY = "tbpsbench"
PARTS = ("name", "config", "facts", "settled", "tokenizer", "preprocess", "roles", "trained_on")
CONVERT = "tools/convert_checkpoint.py CONFIG {path} OUT.pth"


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint aside and rename it; bytes are made in memory first, so a full disk is noticed in one place.

    Raises:
        StorageError: if it cannot be written; the file that was there stays.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    with atomic_write(path) as stream:
        stream.write(buffer.getbuffer())


def read_described(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description of a checkpoint's system and its weights.

    Raises:
        CheckpointError: if the file is unreadable, of an older form, or holds weights alone; says how to convert it.
    """
    if path.suffix == ".safetensors":
        raise CheckpointError(_weights_alone(path))
    content = read_checkpoint(path)
    own = content.get(KEY)
    if not isinstance(own, Mapping):
        raise CheckpointError(_weights_alone(path))
    require_format(own, path)
    weights = content.get("state_dict")
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"{path}: holds no weights (state_dict). Copy it again.")
    require_plain(weights, path)
    return dict(own), plain_names(weights, path)


def require_format(own: Mapping[str, Any], path: Path) -> None:
    """Refuse a description that this program cannot read.

    Raises:
        CheckpointError: if it is of another version, or incomplete.
    """
    found = own.get("format", 1)
    if found == 1:
        raise CheckpointError(
            f"{path}: a checkpoint of an older form, which does not hold its tokenizer and preprocessing. Convert it "
            f"once, where its training data are: {CONVERT.format(path=path)}   (CONFIG: config.py of its run)"
        )
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: written by a newer tbpsbench (form {found!r}, this program reads {FORMAT}). Update tbpsbench."
        )
    if missing := [part for part in PARTS if part not in own]:
        raise CheckpointError(f"{path}: the description of its system lacks {', '.join(missing)}. Copy it again.")


def fingerprint(described: Sequence[str], state: Mapping[str, Tensor]) -> str:
    """SHA-256 of a description, and of the weights by name, type and bits."""
    digest = hashlib.sha256("\n".join(described).encode())
    for key, value in sorted(state.items()):
        digest.update(f"\n{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _weights_alone(path: Path) -> str:
    return (
        f"{path}: holds weights alone, nothing says of which system. Make a checkpoint of it with the config that it "
        f"belongs to: {CONVERT.format(path=path)}"
    )
