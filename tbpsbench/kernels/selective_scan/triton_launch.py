"""Launches of the scan's kernels, and how they are cut.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import launching
from ..dispatch import interpreting
from ..shipping import Budget, Compiled
from . import triton_backward, triton_forward
from .kept import POSITIONS, kept_shape
from .triton_parts import LANES, Sizes, sizes
from .triton_sums import add_up

# A program is one warp. Fusing multiplications and additions is said outright: Triton 3.10 changes the default.
OPTIONS: dict[str, Any] = {"num_warps": 1, "num_stages": 1, "enable_fp_fusion": True}


class Tile(NamedTuple):
    """How launches are cut.

    Attributes:
        forward_rows, backward_rows: rows of channels that a warp owns (8 channels a row from N = 3 on). More rows
            share B and C among more channels; fewer rows make more warps.
        positions: of a segment, whose first state is kept; the same in both passes.
    """

    forward_rows: int = 2
    backward_rows: int = 2
    positions: int = POSITIONS


class Inputs(NamedTuple):
    """The arguments of the scan: `u`, `dt`, `z` (B, L, E), `A` (E, N), `B`, `C` (B, L, N), `D`, `bias` (E,)."""

    u: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    bias: Tensor | None

    def readable(self) -> Inputs:
        """The same values as the kernels read them: neighbouring channels and states next to each other."""
        wide = [
            x if x is None or x.stride(-1) == 1 else x.contiguous() for x in (self.u, self.dt, self.B, self.C, self.z)
        ]
        u, dt, B, C, z = wide
        D, bias = (None if x is None else x.contiguous() for x in (self.D, self.bias))
        return Inputs(u, dt, self.A.contiguous(), B, C, D, z, bias)  # type: ignore[arg-type]


def forward(given: Inputs, keep: bool, tile: Tile | None = None) -> tuple[Tensor, Tensor]:
    """Outputs (B, L, E) in the type of `u`, and the states at the segments' starts for `backward`.

    Args:
        given: tensors on one device, L > 0; any strides.
        keep: whether the states are wanted, (B, segments - 1, E, N) in float32; otherwise an empty tensor.
        tile: by default as the table says.
    """
    x, tile = given.readable(), tile or tile_for(given)
    batch, length, channels = x.u.shape
    cut = sizes(x.A.shape[1], tile.forward_rows)
    y = x.u.new_empty(x.u.shape, dtype=_written(x.u.dtype))
    kept = x.u.new_empty(kept_shape(x.u, x.A, keep, tile.positions), dtype=torch.float32)
    if y.numel():
        pointers, strides = _pointers(x), _strides(x)
        with launching.on_device_of(x.u):
            launch = launching.kept(
                (_key(x, pointers, strides, tile), keep), triton_forward.forward, _grid(batch, channels, cut),
                lambda: {"KEEP": keep} | _constants(x, cut, tile) | OPTIONS,
            )  # fmt: skip
            launch(*pointers, y, kept, length, channels, *strides)
    return y.to(x.u.dtype), kept


def backward(gy: Tensor, given: Inputs, kept: Tensor, tile: Tile | None = None) -> tuple[Tensor, ...]:
    """Gradients of the eight inputs, contiguous and in their types; an empty tensor for one that is None."""
    x, tile = given.readable(), tile or tile_for(given)
    batch, length, channels = x.u.shape
    states = x.A.shape[1]
    cut = sizes(states, tile.backward_rows)
    blocks = -(-channels // cut.channels)
    types = [gy.dtype if i is None else i.dtype for i in x]
    gradients = [
        gy.new_empty(0 if i is None else i.shape, dtype=_written(dtype)) for i, dtype in zip(x, types, strict=True)
    ]
    if not x.u.numel():
        return tuple(torch.zeros_like(g, dtype=dtype) for g, dtype in zip(gradients, types, strict=True))
    gu, gdt, gA, gB, gC, gD, gz, gbias = gradients
    of_samples = torch.zeros if x.D is None or x.bias is None else torch.empty
    part = of_samples(batch, channels * (states + 2), dtype=torch.float32, device=x.u.device)
    part_BC = torch.empty(batch * length, 2, blocks, states, dtype=torch.float32, device=x.u.device)
    chunks = tile.positions // cut.PL
    scratch = torch.empty(batch * blocks, chunks, cut.R, LANES, cut.S, dtype=torch.float32, device=x.u.device)
    pointers, strides, gy = _pointers(x), _strides(x), gy.contiguous()
    with launching.on_device_of(x.u):
        key = (_key(x, pointers, strides, tile), gy.dtype, *types, launching.placed(gy, kept))
        launch = launching.kept(
            key, triton_backward.backward, _grid(batch, channels, cut), lambda: _constants(x, cut, tile) | OPTIONS
        )
        launch(*pointers, gy, kept, scratch, gu, gdt, gz, part_BC, part, length, channels, *strides)
        padded = cut.S * cut.PL
        rows = max(1, 64 // padded)
        over_blocks, over_samples = 2 * -(-batch * length // rows), -(-channels * (states + 2) // 128)
        options = {"N": states, "SKIP": x.D is not None, "BIAS": x.bias is not None, "NP": padded, "ROWS": rows}
        options |= {"STEP": 8, "WIDE": 128, "num_warps": 4, "num_stages": 1, "enable_fp_fusion": True}
        launch = launching.kept(key, add_up, (over_blocks + over_samples,), lambda: options)
        launch(part_BC, part, gA, gB, gC, gD, gbias, batch * length, blocks, batch, channels)
    return tuple(g.to(dtype) for g, dtype in zip(gradients, types, strict=True))


def tile_for(given: Inputs) -> Tile:
    """How launches for such inputs are cut."""
    if given.A.shape[1] > 16:
        return Tile(1, 1)  # The states of a channel fill the registers.
    return Tile()


def shipped(capability: int) -> Iterator[Compiled]:
    """What the default tiles launch at N = 16, for the compile gate: no shared memory.

    Nothing spills on sm_90; elsewhere a few registers of the backward pass's longest loop do.
    """
    budget = Budget(registers=255, spills=0 if capability == 90 else 24, shared_kb=0)
    flags = {"N": 16, "CHUNKS": POSITIONS // 4, "SKIP": True, "GATE": True, "BIAS": True}
    kernels = (("forward", triton_forward.forward), ("backward", triton_backward.backward))
    for (name, kernel), (wide, whole) in itertools.product(kernels, (("fp32", True), ("bf16", False))):
        types = dict.fromkeys(kernel.arg_names, "i32")
        types |= {x: "*fp32" for x in types if x.endswith("_ptr")}
        types |= {
            f"{x}_ptr": f"*{wide}"
            for x in ("u", "dt", "B", "C", "z", "y", "gy", "gu", "gdt", "gz")
            if f"{x}_ptr" in types
        }
        types |= dict.fromkeys(("B_batch", "B_row", "C_batch", "C_row"), "i32:16")
        rows = Tile().forward_rows if name == "forward" else Tile().backward_rows
        constants = flags | {"WHOLE": whole} | sizes(16, rows)._asdict() | ({"KEEP": True} if name == "forward" else {})
        types = {x: kind for x, kind in types.items() if x not in constants}
        label = f"{name} {wide}{'' if whole else ', masked'}"
        yield Compiled(label, kernel, types, constants, OPTIONS["num_warps"], OPTIONS["num_stages"], budget)


def _written(dtype: torch.dtype) -> torch.dtype:
    """What a kernel writes for results of this type: the interpreter cuts bfloat16 off instead of rounding."""
    return torch.float32 if dtype == torch.bfloat16 and interpreting() else dtype


def _grid(batch: int, channels: int, cut: Sizes) -> tuple[int]:
    return (batch * -(-channels // cut.channels),)


def _pointers(x: Inputs) -> list[Tensor]:
    """What is None is never read: any pointer will do."""
    return [x.u if i is None else i for i in x]


def _strides(x: Inputs) -> list[int]:
    """Of samples and positions."""
    return [stride for i in (x.u, x.dt, x.B, x.C, x.u if x.z is None else x.z) for stride in i.stride()[:2]]


def _key(x: Inputs, pointers: list[Tensor], strides: list[int], tile: Tile) -> tuple[Any, ...]:
    """What Triton compiles for, for inputs like these."""
    absent = (x.D is None, x.z is None, x.bias is None)
    return (x.u.shape, x.A.shape[1], *strides, *[i.dtype for i in pointers], absent, tile, launching.placed(*pointers))


def _constants(x: Inputs, cut: Sizes, tile: Tile) -> dict[str, Any]:
    """Constexpr arguments; WHOLE where no tile reaches over an edge."""
    _, length, channels = x.u.shape
    whole = length % cut.PL == 0 and channels % cut.channels == 0 and x.A.shape[1] == cut.S * cut.PL
    flags = {"SKIP": x.D is not None, "GATE": x.z is not None, "BIAS": x.bias is not None, "WHOLE": whole}
    return {"N": x.A.shape[1], "CHUNKS": tile.positions // cut.PL, **flags, **cut._asdict()}
