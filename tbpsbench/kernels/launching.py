"""What launching a Triton kernel takes besides its arguments: tile shapes, precision of products, the right device,
and launches that are kept for the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .dispatch import interpreting

# Options of launches that only read and write.
LIGHT = {"num_warps": 4, "num_stages": 2, "enable_fp_fusion": True}
# Bytes that addresses are multiples of, or not.
ALIGNED_BYTES = 16
# Launches that are kept; a batch size that changes all the time makes new ones.
MOST_KEPT = 1024
_kept: dict[Hashable, Callable[..., None]] = {}


class Tile(NamedTuple):
    """Block sizes of one launch: rows, columns and depth of a product; warps; stages of the software pipeline."""

    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int

    def options(self) -> dict[str, Any]:
        """Launch options. Fusing multiplications and additions is said outright: Triton 3.10 changes the default."""
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": True}

    def blocks(self) -> dict[str, int]:
        """The three block sizes, as arguments of a kernel."""
        return {"BLOCK_M": self.block_m, "BLOCK_N": self.block_n, "BLOCK_K": self.block_k}


def product_of(dtype: torch.dtype) -> dict[str, Any]:
    """How matrix products take float32 tiles: arguments DOT and UP of a kernel.

    DOT is "bf16", "tf32" or "ieee". float16 becomes tf32, which holds all its digits and cannot overflow. float32 is
    multiplied as IEEE says unless tf32 was asked for (torch.backends.cuda.matmul.allow_tf32). UP is set where the
    interpreter runs, whose arithmetic on bfloat16 is wrong.
    """
    if dtype == torch.bfloat16:
        return {"DOT": "bf16", "UP": interpreting()}
    tf32 = dtype == torch.float16 or rounded(dtype)
    return {"DOT": "tf32" if tf32 else "ieee", "UP": False}


def rounded(dtype: torch.dtype) -> bool:
    """Whether products of this type are rounded to TF32 because a setting, which may change, asks for it: float32's."""
    return dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32


def on_device_of(x: Tensor) -> AbstractContextManager[Any]:
    """Launches go to the device of a tensor, whichever is the current one."""
    # Entering a device costs more than asking for the current one.
    here = not x.is_cuda or x.get_device() == torch.cuda.current_device()
    return nullcontext() if here else torch.cuda.device_of(x)


def repeated(kernel: Any, grid: tuple[int, ...], **options: Any) -> Callable[..., None]:
    """A launch that a pass repeats dozens of times, for it to be called with the kernel's other arguments in order.

    From the second time on it leaves out what Triton does to find the compiled kernel, which takes as long as a short
    one runs; so the hooks that it runs before that (`pre_run_hooks`) are left out, too. All calls must come on the same
    device and agree in what Triton compiles for: types, which integers are 1 or multiples of 16, and which pointers
    multiples of 16 bytes.

    Args:
        kernel: below `triton.jit`; its constexpr arguments are its last ones.
        grid: programs along one, two or three axes.
        options: constexpr arguments and launch options.
    """
    constants = [options[name] for name in kernel.arg_names if name in options]
    run: Callable[..., Any] | None = None

    def launch(*arguments: Any) -> None:
        nonlocal run
        if run is not None:
            run(*arguments, *constants)
            return
        # The interpreter compiles nothing.
        if (compiled := kernel[grid](*arguments, **options)) is not None:
            run = compiled[(*grid, 1, 1)[:3]]

    return launch


def kept(
    key: Hashable, kernel: Any, grid: tuple[int, ...], options: Callable[[], dict[str, Any]]
) -> Callable[..., None]:
    """A launch as `repeated` makes it, for all calls with the same key: what Triton does takes longer than we do.

    Args:
        key: tells apart, beside kernel and grid, whatever Triton compiles for: options, types, device and addresses
            (`placed`), integers or what they have in common (`alike`). Floats must be floats.
        options: asked for once.
    """
    whole = (id(kernel), grid, key)
    launch = _kept.get(whole)
    if launch is None:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        # It holds on to the kernel, so that no other one gets its number.
        launch = _kept[whole] = repeated(kernel, grid, **options())
    return launch


def placed(*tensors: Tensor) -> tuple[int, ...]:
    """Device of the first one, and what their addresses leave over 16 bytes: Triton compiles for multiples of them."""
    return (tensors[0].get_device(), *[x.data_ptr() % ALIGNED_BYTES for x in tensors])


def alike(*numbers: int) -> tuple[tuple[bool, bool], ...]:
    """What Triton compiles for of integers, for a key of `kept` that serves many of them."""
    return tuple((x == 1, x % 16 == 0) for x in numbers)


def dense_rows(x: Tensor) -> Tensor:
    """The same matrix with neighbouring columns next to each other; kernels take any distance between rows."""
    return x if x.stride(-1) == 1 else x.contiguous()


def parts_of(count: int, size: int) -> int:
    """How many parts of a size a count makes, the last of which may be smaller; triton.cdiv takes ten times as long."""
    return -(-count // size)


def up_to_power(count: int, least: int) -> int:
    """The smallest power of two that holds `count`, and at least `least`."""
    return max(least, 1 << max(0, count - 1).bit_length())
