"""Which back end runs a kernel: Triton where it is known to work, plain torch elsewhere, and never in silence.

`TBPSBENCH_KERNELS` says what is wanted: `auto` (the default), `triton` (an error instead of a fallback) or `torch`.
A kernel is used on a device only after it passed its self-check there: a small problem of odd size, value and gradients
against the definition in float64. The verdict holds for the life of the process, per kernel, device and dtype.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import warnings
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Backend = Literal["triton", "torch"]
SelfCheck = Callable[[torch.device, torch.dtype], None]

VARIABLE = "TBPSBENCH_KERNELS"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# Ampere: the first generation with bf16 in its tensor cores, and the oldest that the kernels are compiled for.
CAPABILITY = (8, 0)

_logger = logging.getLogger(__package__)
_Key = tuple[str, torch.device, torch.dtype]
# Kernel, device, dtype -> why Triton cannot be used there, None if it can.
_verdicts: dict[_Key, str | None] = {}
_chosen: dict[_Key, Choice] = {}
_warned: set[_Key] = set()


class KernelError(RuntimeError):
    """A Triton kernel was asked for and cannot run, or is wrong on this device."""


class Choice(NamedTuple):
    """What runs a kernel, and why."""

    kernel: str
    device: str
    dtype: str
    backend: Backend
    reason: str


def interpreting() -> bool:
    """Whether Triton's interpreter stands in for the compiler, which runs kernels on CPU tensors."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in ("1", "true", "on", "yes", "y")


def wanted() -> Literal["auto", "triton", "torch"]:
    """What the environment asks for.

    Raises:
        KernelError: if the variable holds something else.
    """
    value = os.environ.get(VARIABLE) or "auto"
    if value not in ("auto", "triton", "torch"):
        raise KernelError(f"{VARIABLE}={value}: it must be auto, triton or torch")
    return value  # type: ignore[return-value]


def chosen(kernel: str, like: Tensor, self_check: SelfCheck) -> Backend:
    """The back end that runs a kernel for tensors like `like`.

    With `auto`, Triton runs float32, float16 and bfloat16 on CUDA devices from compute capability 8.0 on where triton
    imports and the self-check passes; otherwise torch runs. Where Triton was to be expected and cannot run, a warning
    and a log line say why, once per kernel, device and dtype. With `triton`, CPU tensors are allowed in the
    interpreter, without a self-check.

    Args:
        kernel: name for messages, e.g. "contrastive".
        like: a tensor with the device and dtype of the inputs.
        self_check: called as self_check(device, dtype) on first use; it raises where the Triton form is wrong or fails
            to compile. It runs in a thread of its own, so that neither autocast nor a disabled autograd of the caller
            reaches it. While it runs, `chosen` answers "triton" for the same kernel, device and dtype.

    Raises:
        KernelError: if `triton` is wanted and cannot be used, with the reason.
    """
    mode, key = wanted(), (kernel, like.device, like.dtype)
    if mode == "torch":
        return _choose(key, "torch", f"{VARIABLE}=torch")
    if (why := _out_of_scope(like, mode)) is not None:
        if mode == "triton":
            raise KernelError(f"{kernel}: {VARIABLE}=triton, but {why}")
        return _choose(key, "torch", why)
    if key not in _verdicts:
        _verdicts[key] = None  # What the self-check itself asks is answered before it ends.
        try:
            _verdicts[key] = _obstacle(like.device, like.dtype, self_check)
        except BaseException:  # Interrupted: nothing was found out.
            del _verdicts[key]
            raise
    if (why := _verdicts[key]) is None:
        return _choose(key, "triton", "interpreter" if like.device.type == "cpu" else "passed its self-check")
    if mode == "triton":
        raise KernelError(f"{kernel} on {like.device}, {like.dtype}: {why}")
    _warn(key, why)
    return _choose(key, "torch", why)


def report() -> list[Choice]:
    """The last choice for each kernel, device and dtype that this process used."""
    return [_chosen[key] for key in sorted(_chosen, key=str)]


def forget() -> None:
    """Check anew on next use, and warn anew."""
    for known in (_verdicts, _chosen, _warned):
        known.clear()


def _choose(key: _Key, backend: Backend, reason: str) -> Backend:
    if key not in _chosen or _chosen[key][3:] != (backend, reason):
        _chosen[key] = Choice(key[0], str(key[1]), str(key[2]).removeprefix("torch."), backend, reason)
    return backend


def _out_of_scope(like: Tensor, mode: str) -> str | None:
    """Why Triton is not meant for such tensors, which is no reason to warn."""
    if like.dtype not in DTYPES:
        return f"{like.dtype} is computed by torch"
    if like.is_cuda or (like.device.type == "cpu" and mode == "triton" and interpreting()):
        return None
    return f"tensors on {like.device.type} are computed by torch"


def _obstacle(device: torch.device, dtype: torch.dtype, self_check: SelfCheck) -> str | None:
    """Why Triton cannot be used where it is meant to, None if it can."""
    try:
        importlib.import_module("triton")
    except Exception as error:  # A broken installation raises more than ImportError.
        return f"triton cannot be imported: {_line(error)}"
    if device.type == "cpu":
        return None
    if (found := torch.cuda.get_device_capability(device)) < CAPABILITY:
        return f"compute capability {found[0]}.{found[1]} is below {CAPABILITY[0]}.{CAPABILITY[1]}"
    caught: list[BaseException] = []

    def check() -> None:
        try:
            with torch.cuda.device(device):
                self_check(device, dtype)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=check, name="self-check of a kernel")
    thread.start()
    thread.join()
    return f"its self-check failed: {_line(caught[0])}" if caught else None


def _line(error: BaseException) -> str:
    """Type and first line of an error: a failed compilation prints pages."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:400]


def _warn(key: _Key, why: str) -> None:
    if key in _warned:
        return
    _warned.add(key)
    message = f"{key[0]} runs in plain torch on {key[1]}, {key[2]}, instead of as a Triton kernel: {why}"
    _logger.warning(message)
    warnings.warn(message, RuntimeWarning, stacklevel=3)
