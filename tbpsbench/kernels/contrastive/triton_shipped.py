"""Configurations of the Triton kernels as the compiler wants them, for the test that compiles without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..shipping import Budget, Compiled
from .form import HINGED, KINDS, Kind
from .tiles import (
    STRIP_COLUMNS,
    STRIP_ROWS,
    STRIP_WEIGHTS,
    Tile,
    gradient_tile,
    split_of,
    statistics_tile,
    way_of_statistics,
)  # fmt: skip
from .triton_gradient import gradient_kernel
from .triton_statistics import band_kernel, finish_kernel, identities_kernel, statistics_kernel
from .triton_strips import strip_statistics_kernel
from .triton_weigh import prepare_kernel, weigh_kernel

_SCALING = {"factor": "fp32", "role_stride": "i32", "row_stride": "i32"}
_WEIGHTS = {"row_weight": "fp32", "column_weight": "fp32"}
_SETTINGS = {**_WEIGHTS, "eps": "fp32", "log_eps": "fp32", "margin": "fp32"}
_FINISHED = {"scale": "*fp32", "alpha": "*fp32", "value": "*fp32", "saved": "*fp32", "slope": "*fp32"}
_SAVED = {"scale": "*fp32", "saved": "*fp32", "grad": "*fp32", "unit": "*fp32"}
_SIZES = {"rows": "i32:16", "width": "i32:16"}

PLAIN = Budget()
# Numbers of the rows, outside the loop over channels.
MATRIX = Budget(spills=16, tensor_cores=True)
WIDE = Budget(spills=96, tensor_cores=True)


def statistics(
    kind: Kind, dtype: str, tile: Tile, small: bool, scaled: bool, budget: Budget, paired: bool = False,
    bulk: bool = False, capability: int = 90,
) -> Compiled:  # fmt: skip
    """The forward kernel.

    Args:
        bulk: by descriptors.
        dtype: of Triton's pointers, e.g. "bf16".
        small: all in one launch.
        scaled: with a scale that is learnt.
        paired: without labels.
    """
    way = way_of_statistics(kind, bulk, capability, scaled, paired)
    once = way.one_pass and not small
    types = _sides(dtype, tile, bulk) | {"label": "*i64" if small else "*fp32", "part": "*fp32", "across": "*fp32"}
    types |= {**_FINISHED, "begin": "i32:16", **_SIZES, "columns": "i32:16", **_SCALING, **_SETTINGS}
    constants = _constants(tile, KIND=kind, MOMENTS=scaled and kind == "entropy", SLOPES=scaled, ROOT=False)
    constants |= {"HAS_SCALE": scaled, "HAS_ALPHA": False, "ROLE": 3 if once else 2 if small else 0, "BOTH": True}
    constants |= {"PAIRED": paired, "PER_ROW": scaled and once, "BULK": bulk}
    constants |= {"SPLIT": 1 if small else way.split, "FLAT": way.flat and not small}
    what = "statistics of pairs" if paired else "statistics"
    return _compiled(what, small, scaled, statistics_kernel, types, constants, tile, budget)


def gradient(kind: Kind, dtype: str, tile: Tile, scaled: bool, budget: Budget) -> Compiled:
    """The backward kernel of a small batch."""
    types = {"anchor": f"*{dtype}", "positive": f"*{dtype}", "label": "*i64", **_SAVED}
    types |= {"anchor_grad": f"*{dtype}", "positive_grad": f"*{dtype}", **_SIZES, **_SCALING, **_WEIGHTS}
    types |= {"first_role": "i32"}
    constants = _constants(tile, KIND=kind, HAS_SCALE=scaled, HAS_UNIT=dtype == "fp16", BLOCK_D=tile.block_d)
    return _compiled("gradient", True, scaled, gradient_kernel, types, constants, tile, budget)


def weigh(kind: Kind, dtype: str, tile: Tile, scaled: bool, budget: Budget, bulk: bool = False) -> Compiled:
    """The backward kernel on a block, which multiplies in half precision."""
    half = dtype != "fp32"
    split = split_of(tile) if half else 1
    out = f"tensordesc<{dtype}[{tile.block_m},{tile.block_n // split}]>" if bulk else f"*{dtype}"
    types = {**_sides(dtype, tile, bulk), "s": f"*{dtype}", "out": out, "label": "*fp32" if half else "*i64"}
    types |= {"scale": "*fp32", "prepared": "*fp32", "begin": "i32:16", "end": "i32:16", "start": "i32:16"}
    types |= {"last": "i32:16", **_SIZES, "columns": "i32:16", "stride": "i32:16", "factor": "fp32"}
    constants = _constants(tile, KIND=kind, HAS_SCALE=scaled, PER_ROW=scaled, MULTIPLY=half, BULK=bulk, SPLIT=split)
    return _compiled("weigh", False, scaled, weigh_kernel, types, constants, tile, budget)


def prepare(kind: Kind, budget: Budget) -> Compiled:
    """The kernel that makes numbers of rows for it."""
    types = {**_SAVED, "prepared": "*fp32", "rows": "i32:16", **_SCALING, **_WEIGHTS}
    constants = {"KIND": kind, "HAS_SCALE": True, "HAS_UNIT": True, "BLOCK_M": 128}
    return Compiled(f"prepare {kind}", prepare_kernel, types, constants, 4, 2, budget)


def strip_statistics(kind: Kind, tile: Tile, role: int, budget: Budget) -> Compiled:
    """The forward kernel on a strip in float32."""
    types = {"s": "*fp32", "label": "*i64", "scale": "*fp32", "part": "*fp32"}
    types |= {"begin": "i32:16", "end": "i32:16", "rows": "i32:16", **_SCALING}
    constants = {"KIND": kind, "MOMENTS": True, "SLOPES": True, "HAS_SCALE": True, "ROLE": role}
    constants |= {"BLOCK_M": tile.block_m, "BLOCK_N": tile.block_n}
    name = f"strip statistics {kind} {'columns' if role else 'rows'} fp32"
    return Compiled(name, strip_statistics_kernel, types, constants, tile.warps, tile.stages, budget)


def finish(kind: Kind, budget: Budget) -> Compiled:
    """The kernel that makes losses of statistics."""
    types = {"part": "*fp32", "across": "*fp32", "count": "*fp32", **_FINISHED, "parts": "i32", "blocks": "i32"}
    types |= {"rows": "i32:16", **_SCALING, **_SETTINGS}
    constants = {"KIND": kind, "MOMENTS": True, "SLOPES": True, "ROOT": True, "COUNTED": 1, "HAS_SCALE": True}
    constants |= {"HAS_ALPHA": True, "BOTH": True, "BLOCK_M": 128}
    return Compiled(f"finish {kind}", finish_kernel, types, constants, 4, 2, budget)


def band(kind: Kind, budget: Budget) -> Compiled:
    """The kernel that adds up what one pass found in columns."""
    types = {"across": "*fp32", "total": "*fp32", "blocks": "i32", "rows": "i32:16"}
    constants = {"KIND": kind, "MOMENTS": True, "SLOPES": True, "COUNTED": 1, "FIRST": False, "BLOCK_N": 64}
    return Compiled(f"band {kind}", band_kernel, types, constants, 2, 3, budget)


def identities(budget: Budget) -> Compiled:
    """The kernel that compares labels."""
    types = {"label": "*i64", "identity": "*fp32", "count": "*fp32", "rows": "i32:16"}
    return Compiled("identities", identities_kernel, types, {"BLOCK_M": 64, "BLOCK_N": 64}, 4, 2, budget)


def _sides(dtype: str, tile: Tile, bulk: bool) -> dict[str, str]:
    """Of the features: pointers, or descriptors of boxes."""
    kind = f"tensordesc<{dtype}[{tile.block_m},{tile.block_k}]>" if bulk else f"*{dtype}"
    return {"anchor": kind, "positive": kind}


def _constants(tile: Tile, **more: Any) -> dict[str, Any]:
    blocks = {"BLOCK_M": tile.block_m, "BLOCK_N": tile.block_n, "BLOCK_K": tile.block_k}
    return {**more, **blocks, "PRECISION": "ieee", "UP": False}


def _compiled(
    what: str, small: bool, scaled: bool, kernel: Any, types: dict[str, str], constants: dict[str, Any], tile: Tile,
    budget: Budget,
) -> Compiled:  # fmt: skip
    dtype = types["anchor"].removeprefix("tensordesc<").lstrip("*").partition("[")[0]
    how = "small" if small else "" if dtype == "fp32" or constants["BULK"] else "by pointers"
    words = [what, constants["KIND"], dtype, how, "learnt scale" if scaled else ""]
    words += ["in one pass" if constants.get("ROLE") == 3 else ""]
    return Compiled(" ".join(filter(None, words)), kernel, types, constants, tile.warps, tile.stages, budget)


def shipped(capability: int) -> Iterator[Compiled]:
    """What a GPU runs; where kinds and types differ little, those that need the most.

    Args:
        capability: e.g. 90.
    """
    for kind in KINDS:
        for bulk in (True, False) if capability >= 90 else (False,):
            backward = gradient_tile(True, 512, 32768, bulk, capability)
            # A learnt scale takes most beside what SDM keeps.
            for scaled in (False, True) if kind == "divergence" else (False,):
                tile = statistics_tile(kind, True, 512, 32768, bulk, capability, slopes=scaled)
                budget = MATRIX if bulk and kind not in HINGED else WIDE
                yield statistics(kind, "bf16", tile, False, scaled, budget, False, bulk, capability)
                yield weigh(kind, "bf16", backward, scaled, MATRIX, bulk)
    tile = statistics_tile("entropy", True, 512, 32768, capability >= 90, capability)
    for scaled, budget in ((False, WIDE), (True, MATRIX)):
        yield statistics("entropy", "bf16", tile, False, scaled, budget, True, capability >= 90, capability)
    for dtype, half in (("bf16", True), ("fp32", False)):
        yield statistics("divergence", dtype, statistics_tile("divergence", half, 512, 64), True, True, PLAIN)
        yield gradient("divergence", dtype, gradient_tile(half, 512, 64), True, PLAIN)
    yield strip_statistics("divergence", STRIP_ROWS, 0, PLAIN)
    yield strip_statistics("alignment", STRIP_COLUMNS, 1, PLAIN)
    yield weigh("divergence", "fp32", STRIP_WEIGHTS, True, PLAIN)
    yield finish("divergence", PLAIN)
    yield band("divergence", PLAIN)
    yield prepare("divergence", PLAIN)
    yield identities(PLAIN)
