"""Weights from files into modules: safe to read, and never partial in silence.

`read_state_dict` turns any weight file into names and tensors without running code that the file may hold; `load_into`
copies them into a module and accounts for every key on both sides.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tbpsbench.errors import CheckpointError
from tbpsbench.weights.torchscript import is_torchscript, read_torchscript

# Keys under which training programs keep the weights beside optimiser and epoch.
WRAPPERS = ("state_dict", "model", "model_state_dict", "module")
# What a folder made by save_pretrained or a hub download calls its weights, best first.
# timm's CLIP repositories hold another model in model.safetensors, hence open_clip's before it.
FOLDER_FILES = ("open_clip_model.safetensors", "model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin")
MAX_KEYS_SHOWN = 12


@dataclass(frozen=True)
class LoadReport:
    """What became of every key.

    Attributes:
        source: the file or name that the weights came from.
        loaded: keys copied into the module.
        missing: keys of the module that the source lacks.
        unexpected: keys of the source that the module lacks.
        mismatched: (key, shape in the source, shape in the module).
        ignored: keys left out because a pattern said so: unused heads on one side, buffers on the other.
    """

    source: str
    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every key found its counterpart or was left out by name."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        shapes = [
            f"{key}: {list(theirs)} in the file, {list(ours)} in the model" for key, theirs, ours in self.mismatched
        ]
        lines = [f"{self.source}: {len(self.loaded)} tensors loaded, {len(self.ignored)} left out by name"]
        for title, keys in (
            ("missing in the file", self.missing),
            ("unknown to the model", self.unexpected),
            ("of another shape", shapes),
        ):
            if keys:
                lines.append(f"  {len(keys)} {title}:")
                lines += [f"    {key}" for key in keys[:MAX_KEYS_SHOWN]]
                lines += [f"    ... and {len(keys) - MAX_KEYS_SHOWN} more"] * (len(keys) > MAX_KEYS_SHOWN)
        return "\n".join(lines)


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    allow_missing: Iterable[str] = (),
    allow_unexpected: Iterable[str] = (),
    partial: bool = False,
) -> LoadReport:
    """Copy tensors into the parameters and buffers of the same name, cast to the module's dtype.

    Args:
        module: changed in place; untouched if this raises.
        state: names as in `module.state_dict()`.
        source: what to call the weights in messages.
        allow_missing: patterns (`*` as in a shell) of module keys that need not be in `state`.
        allow_unexpected: patterns of keys in `state` that the module legitimately does not use.
        partial: load what fits and let the caller look at the report.

    Raises:
        CheckpointError: if any key has no counterpart or another shape, unless `partial`; lists all of them. Also if
            nothing fits at all, `partial` or not.
    """
    own = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    shared = [key for key in own if key in state]
    fits = [key for key in shared if own[key].shape == state[key].shape]
    absent = [key for key in own if key not in state]
    extra = [key for key in state if key not in own]
    report = LoadReport(
        source,
        loaded=tuple(fits),
        missing=tuple(key for key in absent if not matches_any(key, allow_missing)),
        unexpected=tuple(key for key in extra if not matches_any(key, allow_unexpected)),
        mismatched=tuple(
            (key, tuple(state[key].shape), tuple(own[key].shape))
            for key in shared
            if own[key].shape != state[key].shape
        ),
        ignored=tuple(
            [key for key in absent if matches_any(key, allow_missing)]
            + [key for key in extra if matches_any(key, allow_unexpected)]
        ),
    )
    if not fits and own:
        raise CheckpointError(f"{report}\nNo tensor fits: these are weights of another kind of model.")
    if not (report.complete or partial):
        raise CheckpointError(
            f"{report}\nNothing was loaded. Use weights made for this architecture, or correct the config."
        )
    module.load_state_dict({key: state[key] for key in fits}, strict=False)
    return report


def matches_any(key: str, patterns: Iterable[str]) -> bool:
    """Whether one of the shell patterns describes the whole key."""
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def strip_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below `prefix`, without it; all entries if none starts with it."""
    below = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return below or dict(state)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read names and tensors from a weight file, on the CPU, in the file's dtype.

    Reads safetensors, `torch.save` files (also wrapped as {"state_dict": ...} or {"model": ...} and with the "module."
    prefix of DistributedDataParallel), TorchScript archives (tensors only) and folders that hold one of these.

    Raises:
        CheckpointError: if the file is missing, damaged, no weight file, or holds objects that would
            have to be executed.
    """
    path = weight_file(path)
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path}: the file is empty. Download or copy it again.")
    if path.suffix == ".safetensors":
        loaded: Any = _read_safetensors(path)
    elif is_torchscript(path):
        loaded = read_torchscript(path)
    else:
        loaded = _read_pickle(path)
    return _unwrap(loaded, path)


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Everything in a `torch.save` file: weights beside optimiser, epoch and whatever else is plain data.

    Raises:
        CheckpointError: as `read_state_dict`.
    """
    loaded = _read_pickle(weight_file(path))
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path}: holds {_kind(loaded)}, not a checkpoint")
    return loaded


def weight_file(path: str | Path) -> Path:
    """The weight file behind a path: the file itself, or the one that a model folder holds.

    Raises:
        CheckpointError: if there is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(
        f"{path}: the folder holds none of {', '.join(FOLDER_FILES)}. Name the weight file itself; weights split over "
        f"several files must be joined first."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a complete safetensors file ({error}). Download or copy it again."
        ) from error


def _read_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # torch raises seven unrelated types for damaged files
        found = re.search(r"GLOBAL (\S+)", str(error))
        if found:
            raise CheckpointError(
                f"{path}: holds the object {found[1]}, which reading would execute; only tensors are read. If you "
                f"trust the file, convert it once where you would run its code: save its state_dict alone, with "
                f"torch.save or safetensors.torch.save_file."
            ) from error
        raise CheckpointError(
            f"{path}: not a complete weight file ({type(error).__name__}). Download or copy it again; a web page saved "
            f"instead of the file gives this error too."
        ) from error


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
            break
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{path}: holds {_kind(loaded)}, not named tensors (a state_dict)")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{path}: {key!r} holds {_kind(value)}, not a tensor: this is no state_dict")
    if all(key.startswith("module.") for key in loaded):
        return strip_prefix(loaded, "module.")
    return dict(loaded)


def _kind(value: Any) -> str:
    return f"{'an empty' if isinstance(value, Mapping) and not value else 'a'} {type(value).__name__}"
