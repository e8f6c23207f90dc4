"""Weight files to names and tensors, without running code that a file may hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.reading import given_path
from tbpsbench.weights.torchscript import is_torchscript, read_torchscript, unpacked_size

# Keys under which training programs keep the weights beside optimiser and epoch.
WRAPPERS = ("state_dict", "model", "model_state_dict", "module")
COMPILED, WRAPPED = "_orig_mod", "module."
MAX_EXPANDED = 256 << 20  # bytes of a tensor whose numbers stand for several each, as those of an index may
MAX_KEY = 500  # characters of a parameter's name
# What a folder made by save_pretrained or a hub download calls its weights, best first.
# timm's CLIP repositories hold another model in model.safetensors, hence open_clip's before it.
FOLDER_FILES = ("open_clip_model.safetensors", "model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin")


def strip_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below `prefix`, without it; all entries if none starts with it."""
    below = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return below or dict(state)


def plain_names(state: Mapping[str, Tensor], source: str | Path) -> dict[str, Tensor]:
    """The names that the modules have themselves, without what wraps them: torch.compile's "_orig_mod." at any depth,
    and the "module." of DistributedDataParallel in front of all.

    Raises:
        CheckpointError: if two entries then have one name.
    """
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        parts = key.split(".")
        name = ".".join([*(part for part in parts[:-1] if part != COMPILED), parts[-1]])
        if name in plain:
            raise CheckpointError(f"{source}: holds {name!r} twice, once compiled ({COMPILED}) and once not")
        plain[name] = value
    return strip_prefix(plain, WRAPPED) if all(key.startswith(WRAPPED) for key in plain) else plain


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read names and tensors from a weight file, on the CPU, in the file's dtype.

    Reads safetensors, `torch.save` files (also wrapped as {"state_dict": ...} or {"model": ...}), TorchScript archives
    (tensors only) and folders that hold one of these; names as `plain_names` gives them.

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
    try:
        path = given_path(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None
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
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # besides its own error, whatever torch says to a dtype or a size that it does not know
        raise CheckpointError(
            f"{path}: not a complete safetensors file ({error}). Download or copy it again."
        ) from error


def _read_pickle(path: Path) -> Any:
    if (size := unpacked_size(path)) > 2 * path.stat().st_size + (1 << 20):
        raise CheckpointError(f"{path}: unpacks to {size} bytes, which no weight file does: it is damaged, or a trap.")
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
    require_plain(loaded, path)
    return plain_names(loaded, path)


def require_plain(state: Mapping[Any, Any], path: str | Path) -> None:
    """Refuse what no parameter can be copied from: names must be text, values dense tensors of real numbers.

    Raises:
        CheckpointError: naming the first entry that is something else.
    """
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{path}: {key!r:.120} holds {_kind(value)}, not a tensor: this is no state_dict")
        if not key.isprintable() or len(key) > MAX_KEY:
            raise CheckpointError(f"{path}: {key!r:.120} is no name of a parameter: this is no state_dict")
        if odd := _odd(value):
            raise CheckpointError(
                f"{path}: {key} is {odd} tensor; weights are dense tensors of real numbers. Save it anew as one, with "
                "its numbers (to_dense, dequantize)."
            )


def _odd(value: Tensor) -> str | None:
    if value.is_meta:
        return "a meta"
    if value.is_quantized:
        return "a quantised"
    if value.is_nested or value.layout is not torch.strided:
        return "a nested" if value.is_nested else "a sparse"
    if value.is_complex():
        return "a complex"
    if (size := value.numel() * value.element_size()) > MAX_EXPANDED and size > value.untyped_storage().nbytes():
        return "an expanded"  # a few numbers that stand for many: copied, it could fill any memory
    return None


def _kind(value: Any) -> str:
    return f"{'an empty' if isinstance(value, Mapping) and not value else 'a'} {type(value).__name__}"
