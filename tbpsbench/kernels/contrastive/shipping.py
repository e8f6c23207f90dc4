"""Which configurations of the Triton kernels are launched, for the test that compiles them without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..shipping import Budget, Compiled
from .form import Kind
from .tiles import FUSED_WIDTH, SMALL_ROWS, Tile, gradient_tile, statistics_tile, whole
from .triton_chunks import chunk_statistics_kernel, weigh_kernel
from .triton_gradient import gradient_kernel
from .triton_statistics import finish_kernel, statistics_kernel

_SCALING = {"factor": "fp32", "role_stride": "i32", "row_stride": "i32"}
_SETTINGS = {name: "fp32" for name in ("row_weight", "column_weight", "eps", "log_eps", "margin")}
_SIZES = {"rows": "i32:16", "width": "i32:16"}


def statistics(kind: Kind, dtype: str, width: int, tile: Tile, role: int, budget: Budget = Budget()) -> Compiled:
    """The forward kernel; `dtype` is that of Triton's pointers, e.g. "bf16"."""
    pointers = {"anchor": f"*{dtype}", "positive": f"*{dtype}", "label": "*i64", "scale": "*fp32", "alpha": "*fp32"}
    pointers |= dict.fromkeys(("part", "value", "saved", "slope"), "*fp32")
    constants = {"KIND": kind, "MOMENTS": kind == "entropy", "SLOPES": True, "ROOT": False, "HAS_SCALE": True}
    constants |= {"HAS_ALPHA": False, "ROLE": role, "BOTH": True, **_blocks(tile), "WHOLE": tile.block_k >= width}
    constants |= {"PRECISION": "ieee", "UP": False}
    types = {**pointers, **_SIZES, "columns": "i32:16", **_SCALING, **_SETTINGS}
    name = f"statistics {kind} {dtype} D {width}"
    return Compiled(name, statistics_kernel, types, constants, tile.warps, tile.stages, budget)


def gradient(kind: Kind, dtype: str, width: int, tile: Tile, role: int, budget: Budget = Budget()) -> Compiled:
    """The backward kernel."""
    pointers = {"anchor": f"*{dtype}", "positive": f"*{dtype}", "label": "*i64"}
    pointers |= dict.fromkeys(("scale", "saved", "grad", "unit"), "*fp32")
    pointers |= {"anchor_grad": f"*{dtype}", "positive_grad": f"*{dtype}"}
    owned = tile.block_d or tile.block_k
    constants = {"KIND": kind, "HAS_SCALE": True, "HAS_UNIT": dtype == "fp16", "ROLE": role, **_blocks(tile)}
    constants |= {"BLOCK_D": owned, "WHOLE": owned == tile.block_k >= width, "PRECISION": "ieee", "UP": False}
    types = {**pointers, **_SIZES, **_SCALING, "row_weight": "fp32", "column_weight": "fp32"}
    name = f"gradient {kind} {dtype} D {width}"
    return Compiled(name, gradient_kernel, types, constants, tile.warps, tile.stages, budget)


def _blocks(tile: Tile) -> dict[str, Any]:
    return {"BLOCK_M": tile.block_m, "BLOCK_N": tile.block_n, "BLOCK_K": tile.block_k}
