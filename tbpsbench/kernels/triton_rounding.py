"""Rounding to the types that tensor cores multiply, in Triton.

A GPU cuts float32 off where it multiplies tf32, and the interpreter does where it converts to bfloat16; its arithmetic
on bfloat16 is wrong besides. Cutting off moves sums of products in one direction, so both are rounded here, and with
UP, which is set in the interpreter alone, bfloat16 stays in float32.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl


@triton.constexpr_function
def precision(dot: str) -> str:
    """`input_precision` of a matrix product of operands of this kind."""
    return "tf32" if dot == "tf32" else "ieee"


@triton.jit
def operand(tile, DOT: tl.constexpr, UP: tl.constexpr):
    """A float32 tile as a matrix product takes it; see `launching.product_of`."""
    # One return: Triton 3.6 wants all of them to have one type, even those that are not reached.
    if DOT == "tf32":
        found = nearest(tile, 13)
    elif DOT == "ieee":
        found = tile
    elif UP:
        found = nearest(tile, 16)
    else:
        found = tile.to(tl.bfloat16)
    return found


@triton.jit
def rounded(tile, TYPE: tl.constexpr, UP: tl.constexpr):
    """A float32 tile as it is stored."""
    if UP and TYPE == tl.bfloat16:  # noqa: SIM300
        tile = nearest(tile, 16)
    return tile.to(TYPE)


@triton.jit
def nearest(tile, BITS: tl.constexpr):
    """Float32 numbers without their last bits, rounded to nearest, ties to even."""
    bits = tile.to(tl.int32, bitcast=True)
    bits += (1 << (BITS - 1)) - 1 + ((bits >> BITS) & 1)
    return ((bits >> BITS) << BITS).to(tl.float32, bitcast=True)
