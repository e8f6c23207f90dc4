"""A system as others can run it: ONNX graphs, with everything that reads captions and pictures beside them.

folder/tbpsbench.json                          what load_system reads: tokenizer, preprocessing, what was compared
      /onnx/text_model.onnx, vision_model.onnx the two towers; _fp16 and _quantized in other precisions
      /tokenizer.json, preprocessor_config.json, config.json, ...   the same for programs in Hugging Face's forms
      /README.md                               a card for people

tbpsbench/export/ writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tbpsbench.config.load import Config
from tbpsbench.data.images import RESAMPLING
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.files import sha256_file
from tbpsbench.heads.base import Side
from tbpsbench.model.exported import DESCRIPTION, SIDES, SUFFIX, ExportedModel, exported, graph_file, is_there
from tbpsbench.reading import read_json
from tbpsbench.system_files import USED_IN_EVALUATION, read_parts, require_sound, require_usable, restore_tokenizer
from tbpsbench.weights.checkpoint import require_format

VERSION = 1
# What of a config an exported system is made from; its model is in the graphs, and needs no plug-in.
USED = ("data.tokenizer", "data.transforms")


def read_any(path: Path, device: str | torch.device | None) -> dict[str, Any]:
    """As `read_parts`; of an exported system, too, whose model is on its device already.

    Raises:
        CheckpointError, ConfigError: see `system.load_system`.
    """
    found = exported(path)
    return read_parts(path) if found is None else read_exported(*found, device)


def read_exported(folder: Path, precision: str | None, device: str | torch.device | None = None) -> dict[str, Any]:
    """The parts of an exported system, by the names that `System` gives them; `trained_on` plain.

    Args:
        folder, precision: see `exported`; None for float32, or the first that there is.
        device: see `ExportedModel`.

    Raises:
        CheckpointError: if it is damaged, or was not exported in this precision.
        ConfigError: if ONNX Runtime, or the device, is not there.
    """
    own = read_description(folder)
    try:
        config = json.loads(own["config"])
        require_sound(Config(folder, config), USED)
        told, preprocess = own["exported"], Preprocess(**own["preprocess"])
        precision = precision or next(name for name in SUFFIX if name in told["graphs"])
        graphs, digest = _graphs(folder, told["graphs"], precision)
        model = ExportedModel(graphs, tuple(own["roles"]), digest, told["cost"], device)
        if model.size != preprocess.size or preprocess.interpolation not in RESAMPLING:
            raise ValueError(f"preprocess: pictures of {preprocess.size}, the graph takes {model.size}")
        # Texts beside a picture are not in the graphs, so no evaluation shows them.
        config["evaluation"] = {**config["evaluation"], "gallery_texts": None}
        return {
            "name": f"{own['name']} (ONNX, {precision})",
            "model": model,
            "tokenizer": restore_tokenizer(own["tokenizer"], str(folder)),
            "preprocess": preprocess,
            "config": {**config, "model": dict(config["model"])},
            "facts": dict(own["facts"]),
            "trained_on": own["trained_on"],
            "notes": {"exported": {"precision": precision, "from": told["from"]}},
        }
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise CheckpointError(
            f"{folder / DESCRIPTION}: damaged ({type(error).__name__}: {error}). Export the system again."
        ) from error


def require_evaluable(notes: Mapping[str, Any], config: Config, *, other_model: bool = False) -> None:
    """Refuse a config with which a system cannot be evaluated; of an exported one, its model needs no plug-in.

    Args:
        notes: of the system.
        config: to evaluate with.
        other_model: see `check`.

    Raises:
        ConfigError: listing the problems.
    """
    if "exported" in notes:
        require_sound(config, (*USED, *USED_IN_EVALUATION), other_model=other_model)
    else:
        require_usable(config, evaluation=True, other_model=other_model)


def read_description(folder: Path) -> dict[str, Any]:
    """What an exported system says of itself.

    Raises:
        CheckpointError: if that cannot be read, or is of another version.
    """
    path = folder / DESCRIPTION
    try:
        own = read_json(path)
    except DataError as error:
        raise CheckpointError(f"{error}") from error
    if not isinstance(own, dict) or not isinstance(own.get("exported"), dict):
        raise CheckpointError(f"{path}: not the description of an exported system. Export the system again.")
    if (found := own["exported"].get("version")) != VERSION:
        raise CheckpointError(
            f"{path}: of version {found!r}, this tbpsbench reads {VERSION}. Update it, or export again."
        )
    require_format(own, path)
    return own


def _graphs(folder: Path, told: Mapping[str, Any], precision: str) -> tuple[dict[Side, Path], bytes]:
    """The two files, whole as they were written, and the SHA-256 of both."""
    if precision not in told:
        raise CheckpointError(f"{folder}: was not exported in {precision}, but in {', '.join(told)}")
    files = {side: folder / graph_file(side, precision) for side in SIDES}
    both = hashlib.sha256()
    for side, file in files.items():
        if not is_there(file):
            raise CheckpointError(f"{file}: is missing. Copy it again, or export the system again.")
        if (found := sha256_file(file)) != told[precision][side]["sha256"]:
            raise CheckpointError(f"{file}: is not the file that was exported. Copy it again, or export it again.")
        both.update(bytes.fromhex(found))
    return files, both.digest()
