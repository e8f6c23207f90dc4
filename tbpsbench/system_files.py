"""The two forms in which a system is kept: a checkpoint of a run, and a folder made to be passed on.

best.pth                                       weights and description in one file (weights/checkpoint.py)
folder/model.safetensors                       the weights
      /config.json                             name, resolved config, facts, roles, training data
      /preprocess.json                         size, interpolation, mean, std, transforms
      /vocab.txt, ...                          the tokenizer's files
      /README.md                               a card for people
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tbpsbench import registry
from tbpsbench.config.check import check, report
from tbpsbench.config.flat import canonical
from tbpsbench.config.load import Config
from tbpsbench.config.resolve import fill_from_data
from tbpsbench.config.schema import TOP_LEVEL
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import CheckpointError, ConfigError, DataError
from tbpsbench.files import atomic_folder, write_json
from tbpsbench.model.base import SearchModel, model_of
from tbpsbench.model.exported import DESCRIPTION, ExportedModel, exported
from tbpsbench.reading import read_json, read_text
from tbpsbench.system_card import card
from tbpsbench.weights.checkpoint import FORMAT, KEY, read_described, require_format, save
from tbpsbench.weights.load import load_into

if TYPE_CHECKING:
    from tbpsbench.system import System

WEIGHTS, CONFIG, PREPROCESS, CARD = "model.safetensors", "config.json", "preprocess.json", "README.md"
RUN_CHECKPOINTS = ("best.pth", "last.pth")
USED = ("entries", "plugins", "model", "data.tokenizer", "data.transforms")
USED_IN_EVALUATION = ("data", "evaluation", "runtime")


def describe(system: System) -> dict[str, Any]:
    """Everything about a system but its weights, as plain data: what a checkpoint keeps of it."""
    return {
        "format": FORMAT,
        "name": system.name,
        "config": canonical(system.config),
        "facts": dict(system.facts),
        "settled": system.model.settled,
        "tokenizer": {
            "config": dict(system.config["data"]["tokenizer"]),
            "files": system.tokenizer.files(),
            "sha256": system.tokenizer.sha256,
        },
        "preprocess": system.preprocess.to_json(),
        "roles": list(system.model.roles),
        "trained_on": None if system.trained_on is None else system.trained_on.to_plain(),
        **dict(system.notes),
    }


def described(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file or folder says of its system, and the weights; nothing is built.

    Raises:
        CheckpointError: see `system.load_system`.
    """
    path = _resolve(path)
    return _read_folder(path) if path.is_dir() else read_described(path)


def read_parts(path: Path) -> dict[str, Any]:
    """The parts of the system that a file or folder holds, by the names that `System` gives them; `trained_on` plain.

    Raises:
        CheckpointError, ConfigError: see `system.load_system`.
    """
    own, weights = described(path)
    try:
        config = json.loads(own["config"]) if isinstance(own["config"], str) else dict(own["config"])
        require_usable(Config(path, config))
        parts = {
            "name": str(own["name"]),
            "model": build_model(config["model"], own["facts"], tuple(own["roles"]), own["settled"]),
            "tokenizer": restore_tokenizer(own["tokenizer"], str(path)),
            "preprocess": Preprocess(**own["preprocess"]),
            "config": config,
            "facts": own["facts"],
            "trained_on": own["trained_on"],
            "notes": {key: own[key] for key in ("converted",) if key in own},
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: the description of its system is damaged ({type(error).__name__}: {error}). Copy it again."
        ) from error
    load_into(parts["model"], weights, source=str(path))
    return parts


def require_usable(config: Config, *, evaluation: bool = False, other_model: bool = False) -> None:
    """Refuse a config of which a trained system cannot be made; what only training uses may be missing here.

    Args:
        config: of the system.
        evaluation: also look at what an evaluation uses.
        other_model: see `check`.

    Raises:
        ConfigError: listing the problems.
    """
    require_sound(config, (*USED, *(USED_IN_EVALUATION if evaluation else ())), other_model=other_model)


def require_sound(config: Config, used: tuple[str, ...], *, other_model: bool = False) -> None:
    """Refuse a config with a problem in what is used of it.

    Args:
        config: may lack the rest.
        used: beginnings of the keys.
        other_model: see `check`.

    Raises:
        ConfigError: listing the problems.
    """
    found = check(config, trained=True, other_model=other_model)
    # A section that does not exist is used by nothing, and was meant for something.
    if found := [p for p in found if p.path.startswith(used) or p.path.split(".")[0] not in TOP_LEVEL]:
        raise ConfigError(report(config, found))


def write_checkpoint(system: System, path: Path) -> None:
    """Write a system as one file, as training does, without what only a resumed run needs.

    Raises:
        StorageError: if it cannot be written; the file that was there stays.
    """
    _require_weights(system)
    weights = {key: value.detach().cpu() for key, value in system.model.state_dict().items()}
    save({"state_dict": weights, KEY: describe(system)}, path)


def checkpoint_file(path: str | Path) -> Path:
    """The file that holds the weights of what `load_system` would load; of an exported system, their hashes.

    Raises:
        CheckpointError: if there is nothing to load.
    """
    if of_graphs := exported(Path(path)):
        return of_graphs[0] / DESCRIPTION
    found = _resolve(Path(path))
    return found / WEIGHTS if found.is_dir() else found


def save_system(system: System, folder: Path, *, overwrite: bool = False) -> Path:
    """See `System.save`: everything is written aside and then takes the folder's place."""
    from safetensors.torch import save_file

    _require_weights(system)
    own = describe(system)
    written = {WEIGHTS, CONFIG, PREPROCESS, CARD, *own["tokenizer"]["files"], *_tokenizer_files(folder)}
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else {"a file"} if folder.exists() else set()
    if there and (not _is_system(folder) or there - written):
        raise CheckpointError(f"{folder}: holds something else than a system. Choose another folder.")
    if there and not overwrite:
        raise CheckpointError(f"{folder}: holds a system already. Choose another folder, or pass overwrite=True.")
    own["config"] = json.loads(own["config"])
    preprocess, files = own.pop("preprocess"), own["tokenizer"].pop("files")
    own["tokenizer"]["files"] = sorted(files)
    state = {key: value.detach().cpu().clone().contiguous() for key, value in system.model.state_dict().items()}
    with atomic_folder(folder, replace=True) as aside:
        save_file(state, aside / WEIGHTS, metadata={"format": "pt"})
        write_json(aside / CONFIG, own)
        write_json(aside / PREPROCESS, preprocess)
        for name, text in files.items():
            (aside / name).write_text(text, encoding="utf-8", newline="")
        (aside / CARD).write_text(card(system), encoding="utf-8")
    return folder


def build_model(
    section: Mapping[str, Any],
    facts: Mapping[str, Any],
    roles: tuple[str, ...],
    settled: Mapping[str, Any],
) -> SearchModel:
    """A config's model without its pretrained weights, which a checkpoint's are to replace.

    Args:
        section: the config's `model`.
        facts: for `from_data:NAME`.
        roles: text roles of its training batches.
        settled: tower -> arguments that its pretrained weights decided.

    Raises:
        RegistryError, ConfigError: if a part cannot be built.
    """
    filled = fill_from_data(_without_pretrained(section), facts, "model")
    for tower, arguments in settled.items():
        if arguments:
            filled[tower] = {**filled[tower], **arguments}
    return model_of(filled, roles)


def restore_tokenizer(kept: Mapping[str, Any], source: str) -> Tokenizer:
    """The tokenizer of a checkpoint, the same to the last id.

    Raises:
        CheckpointError: if it cannot be made as it was.
    """
    context: dict[str, Any] = {"texts": [], "cache_dir": None, "files": dict(kept["files"])}
    tokenizer = registry.TOKENIZERS.build(kept["config"], "data.tokenizer", context)
    if tokenizer.sha256 != kept["sha256"]:
        raise CheckpointError(
            f"{source}: the tokenizer {kept['config']['type']} of this installation gives other ids than the one that "
            "the model was trained with: another version of its package is installed, or its files were changed."
        )
    return tokenizer


def _resolve(path: Path) -> Path:
    """The file, or the folder of a saved system; in a run's folder its chosen checkpoint."""
    if path.suffix == ".py" or str(path).startswith("tbpsbench::"):
        raise CheckpointError(f"{path}: is a config; here a checkpoint is expected. The order is [CONFIG] CHECKPOINT.")
    if exported(path):
        raise CheckpointError(
            f"{path}: is an exported system, without weights. Use the checkpoint that it was made of."
        )
    if path.suffix == ".onnx":
        raise CheckpointError(
            f"{path}: is a graph without the folder that it was exported to. Name a graph in its folder."
        )
    if path.name in (WEIGHTS, CONFIG, PREPROCESS) and _is_system(path.parent):
        return path.parent
    if path.is_file() or (path / CONFIG).is_file():
        return path
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    for name in RUN_CHECKPOINTS:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"{path}: the folder holds no system ({CONFIG}) and no checkpoint ({RUN_CHECKPOINTS[0]})")


def _require_weights(system: System) -> None:
    if isinstance(system.model, ExportedModel):
        raise CheckpointError(f"{system.name}: is an exported system, without weights to be saved. Copy its folder.")
    for key, value in system.model.named_parameters():
        if value.dtype != (loaded := system.dtypes.get(key, value.dtype)):
            raise CheckpointError(
                f"{system.name}: {key} was cast to {value.dtype}, and would be {loaded} again when loaded, with other "
                f"embeddings. Call system.model.to({loaded}) first, or save before casting."
            )


def _is_system(folder: Path) -> bool:
    """Whether a folder is one that `save_system` wrote; other programs also call their weights model.safetensors."""
    try:
        own = read_json(folder / CONFIG)
    except DataError:
        return False
    return isinstance(own, dict) and {"format", "tokenizer", "roles"} <= set(own)


def _tokenizer_files(folder: Path) -> set[str]:
    """Names of the tokenizer's files of the system that lies in a folder; none where none does."""
    try:
        return {Path(name).name for name in read_json(folder / CONFIG)["tokenizer"]["files"]}
    except (DataError, LookupError, TypeError):
        return set()


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from tbpsbench.weights.files import read_state_dict

    try:
        own = read_json(folder / CONFIG)
        if not isinstance(own, dict) or "tokenizer" not in own:
            raise CheckpointError(f"{folder / CONFIG}: not the description of a system that System.save wrote")
        own["preprocess"] = read_json(folder / PREPROCESS)
        require_format(own, folder / CONFIG)
        names = [Path(name).name for name in own["tokenizer"]["files"]]
        own["tokenizer"]["files"] = {name: read_text(folder / name, exact=True) for name in names}
    except (DataError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: not a whole system ({error}). Copy it again.") from error
    return own, read_state_dict(folder / WEIGHTS)


def _without_pretrained(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: None if key == "pretrained" else _without_pretrained(item) for key, item in value.items()}
    return value
