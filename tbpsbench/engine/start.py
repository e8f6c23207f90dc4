"""`load_from`: a run that starts from the weights of a whole trained system, and not from scratch.

What comes along is the system's weights, by name, and its tokenizer, whose ids the weights belong to. What it was
trained on is written into the new system, so that the leak guard, badges and records know of it as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.config.schema import DataSection
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.distributed import first_says
from tbpsbench.engine.workdir import LAST
from tbpsbench.errors import CheckpointError, ConfigError, TBPSError
from tbpsbench.files import sha256_file
from tbpsbench.losses.base import Loss
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.model.base import SearchModel
from tbpsbench.reading import given_path
from tbpsbench.records.changed import CHANGES
from tbpsbench.records.identity import system_sha256
from tbpsbench.records.started import NOT_READ, UNKNOWN
from tbpsbench.system_files import checkpoint_file, described, restore_tokenizer
from tbpsbench.weights.load import load_into, matches_any

# Parts that belong to one training: a balancer and what counts its progress start anew, losses where they do not fit,
# such as a classifier of its identities.
ANEW = ("losses.*", "balancer.*")
MAX_SHOWN = 6


@dataclass(frozen=True)
class Start:
    """The system that a run starts from.

    Attributes:
        file: its checkpoint, or its folder; in a resumed run that run's own checkpoint.
        told: what a record says of it (records/started.py).
        texts: what the leak guard must know of its training texts; None where that is not known.
        tokenizer: as checkpoints keep it.
        preprocess: how it looks at pictures, as plain data.
        weights: by name; None in a resumed run, which has weights of its own.
    """

    file: Path
    told: Mapping[str, Any]
    texts: TrainingTexts | None
    tokenizer: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    weights: Mapping[str, Tensor] | None

    def build_tokenizer(self, section: DataSection) -> Tokenizer:
        """The config's tokenizer with the vocabulary of the system; only `max_length` may differ.

        Raises:
            ConfigError: if it is of another kind, or gives other ids.
            CheckpointError: if the system's own cannot be made as it was.
        """
        own, asked = dict(self.tokenizer["config"]), dict(section.tokenizer)
        fix = f"The weights belong to its ids: set data.tokenizer={own!r}, or drop load_from."
        if own["type"] != asked.get("type"):
            raise ConfigError(
                f"data.tokenizer: is {asked.get('type')}, but {self.file} (load_from) was trained with {own['type']}. "
                f"{fix}"
            )
        restore_tokenizer(self.tokenizer, str(self.file))
        length = {key: asked[key] for key in ("max_length",) if key in asked}
        wanted = {key: value for key, value in own.items() if key != "max_length"} | length
        made, same = (self._tokenizer_of(config) for config in (asked, wanted))
        if made.sha256 != same.sha256:
            changed = sorted(key for key in {*own, *asked} if own.get(key) != asked.get(key))
            raise ConfigError(
                f"data.tokenizer: gives other ids than that of {self.file} (load_from); {', '.join(changed)} differ. "
                f"{fix}"
            )
        return made

    def load(self, model: SearchModel) -> tuple[str, ...]:
        """Copy the weights by name; in a resumed run nothing is done.

        Returns:
            What a user should know: what starts anew, and what of the file is not used.

        Raises:
            CheckpointError: listing the tensors that the file lacks or has in another shape; the model is untouched.
        """
        if self.weights is None:
            return ()
        own = model.state_dict()
        counted = [
            f"{name}.{buffer}"
            for name, part in model.named_modules()
            if isinstance(part, Loss)
            for buffer in part.progress_buffers
        ]
        odd = [
            key
            for key, value in self.weights.items()
            if key in own
            and (
                key.startswith("balancer.")
                or key in counted
                or (own[key].shape != value.shape and matches_any(key, ANEW))
            )
        ]
        fitting = {key: value for key, value in self.weights.items() if key not in odd}
        report = load_into(
            model, fitting, source=f"load_from: {self.file}", allow_missing=ANEW, allow_unexpected=("*",)
        )
        anew = [key for key in report.ignored if key in own]
        unused = [key for key in report.ignored if key not in own]
        return (
            f"load_from: {len(report.loaded)} tensors of {self.told['name']!r} ({self.file})",
            *([f"load_from: starts anew: {_listed(anew)}"] if anew else []),
            *([f"load_from: unknown to this model and not used: {_listed(unused)}"] if unused else []),
        )

    def preprocess_notes(self, own: Preprocess) -> tuple[str, ...]:
        """How the config looks at pictures otherwise than the system did; weights do not show it."""
        now, before = own.to_json(), Preprocess(**self.preprocess).to_json()
        changed = [f"{key} {before[key]} -> {now[key]}" for key in now if now[key] != before[key]]
        return (f"load_from: pictures are read otherwise than before: {'; '.join(changed)}",) if changed else ()

    def _tokenizer_of(self, config: Mapping[str, Any]) -> Tokenizer:
        context: dict[str, Any] = {"texts": [], "cache_dir": None, "files": dict(self.tokenizer["files"])}
        return registry.TOKENIZERS.build(config, "data.tokenizer", context)


def find_start(wanted: Mapping[str, Any], folder: Path | None) -> Start:
    """The system that a config's `load_from` names; of a resumed run what its checkpoint kept of it.

    Args:
        wanted: `load_from` with its keys `file` and, where it says so, `system`.
        folder: of the run, which may be there already; None for a run without one.

    Raises:
        CheckpointError: if it cannot be read, or is not the system that a resumed run was started from.
        ConfigError: if it is not the system that `load_from.system` means.
    """
    last = None if folder is None else folder / LAST
    # One process may see a file that another has just removed.
    if last is not None and first_says(last.is_file()) and (start := _kept(wanted, last)) is not None:
        return start
    return _read(wanted)


def _read(wanted: Mapping[str, Any]) -> Start:
    path = given_path(wanted["file"])
    try:
        own, weights = described(path)
        file = checkpoint_file(path)
    except TBPSError as error:
        raise CheckpointError(f"load_from: {error}") from error
    try:
        trained = own["trained_on"]
        texts = None if trained is None else TrainingTexts.from_plain(trained["texts"])
        told = _told(own, file, weights)
        start = Start(path, told, texts, own["tokenizer"], own["preprocess"], weights)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"load_from: {path}: the description of its system is damaged ({type(error).__name__}: {error}). "
            "Copy it again."
        ) from error
    _require_meant(wanted, told, path)
    return start


def _kept(wanted: Mapping[str, Any], last: Path) -> Start | None:
    """From the checkpoint of a run to be resumed; None if it was not started from a system, which is then refused."""
    own, _ = described(last)
    trained = own["trained_on"] or {}
    told = trained.get("start")
    if told is None:
        return None
    _require_meant(wanted, told, last)
    path = given_path(wanted["file"])
    if path.exists() and weights_sha256(described(path)[1]) != told["weights_sha256"]:
        raise CheckpointError(
            f"load_from: {path} holds other weights than those of {told['name']!r} that the run in {last.parent} was "
            "started from. Put them back, remove the file (the run does not need it any more), or start again "
            "(--overwrite)."
        )
    earlier = TrainingTexts.from_plain(trained["texts"]).earlier
    return Start(last, told, earlier[0] if earlier else None, own["tokenizer"], own["preprocess"], None)


def _require_meant(wanted: Mapping[str, Any], told: Mapping[str, Any], path: Path) -> None:
    if wanted.get("system", told["system_sha256"]) != told["system_sha256"]:
        raise ConfigError(
            f"load_from.system: is {wanted['system']}, but in {path} it is {told['name']!r}, {told['system_sha256']}. "
            "Name its file, or leave out load_from.system."
        )


def _told(own: Mapping[str, Any], file: Path, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """What records say of a start: who it is, and everything that it was trained on."""
    config = json.loads(own["config"]) if isinstance(own["config"], str) else dict(own["config"])
    trained = own["trained_on"] or {
        "name": UNKNOWN,
        "provenance": {"dataset": UNKNOWN, "component": config["data"]["dataset"], "partial": False, "sources": []},
    }
    data = dict(trained["provenance"])
    data["sources"] = [dict(source) for source in data["sources"] if source["role"] not in NOT_READ]
    return {
        "name": str(own["name"]),
        "seed": config["seed"],
        "system_sha256": system_sha256(config),
        "checkpoint": {"sha256": sha256_file(file), "bytes": file.stat().st_size},
        "weights_sha256": weights_sha256(weights),
        "trained_on": str(trained["name"]),
        "selection": {"rule": str(config["evaluation"]["selection"])},
        "data": data,
        **({"started_from": trained["start"]} if trained.get("start") else {}),
        **({CHANGES: list(trained["changes"])} if trained.get("changes") else {}),
    }


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever file holds them."""
    digest = hashlib.sha256()
    for key, value in sorted(weights.items()):
        digest.update(f"\n{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - MAX_SHOWN} more" if len(keys) > MAX_SHOWN else ""
    return ", ".join(keys[:MAX_SHOWN]) + more
