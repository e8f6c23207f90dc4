"""Tensors out of a TorchScript archive (the form in which OpenAI published CLIP) without loading its program.

Such an archive is a zip file: `data.pkl` describes the tree of modules, `data/<n>` holds the numbers, `code/` the
program. Only the first two are read, by an unpickler that knows a few harmless names and turns every module into a bag
of attributes.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tbpsbench.errors import CheckpointError

MAX_NODES = 100_000  # CLIP's largest has 6,000
STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Module:
    """Stands for any scripted module; `BUILD` fills its attributes."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(stream)
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch.jit._pickle":  # typed lists and dicts of constants: plain containers
            return _plain
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name} is not allowed")

    def persistent_load(self, identity: Any) -> Tensor:
        _, dtype, number, _, _ = identity
        data = self.archive.read(f"{self.root}/data/{number}")
        return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _rebuild(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    if math.prod(size) > storage.numel():
        raise pickle.UnpicklingError(f"a tensor of {size} in a storage of {storage.numel()} numbers")
    return torch.as_strided(storage, size, stride, offset).contiguous()


def _plain(value: Any, *_: Any) -> Any:
    return value


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # the directory of a damaged archive can raise nearly anything
        return False


def unpacked_size(path: Path) -> int:
    """How many bytes an archive says that it holds; 0 for a file that is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except Exception:  # as above; who reads it will say what is wrong
        return 0


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers of the archived module under their dotted names.

    Raises:
        CheckpointError: if the archive is damaged or describes anything but modules, tensors and constants.
    """
    try:
        if (size := unpacked_size(path)) > 2 * path.stat().st_size + (1 << 20):
            raise ValueError(f"it unpacks to {size} bytes")
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].split("/")[0]
            with archive.open(f"{root}/data.pkl") as stream:
                top = _Unpickler(stream, archive, root).load()
        return _tensors(top)
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(
            f"{path}: the TorchScript archive cannot be read ({error}). Download it again."
        ) from error


def _tensors(top: Any) -> dict[str, Tensor]:
    """Every tensor below a module, by its dotted name.

    Raises:
        ValueError: if the modules hold each other, so that their names would never end.
    """
    found: dict[str, Tensor] = {}
    waiting = [("", top)]
    for _ in range(MAX_NODES):
        if not waiting:
            return found
        name, value = waiting.pop()
        if isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, _Module):
            children = reversed(getattr(value, "attributes", {}).items())
            waiting += [(f"{name}.{key}" if name else str(key), child) for key, child in children]
    raise ValueError(f"more than {MAX_NODES} modules and attributes")
