"""What the counts launch, for the compile gate (`shipping`)."""

from __future__ import annotations

from collections.abc import Iterator

from ..shipping import Compiled
from .triton import counting_kernel
from .triton_launch import BLOCKS, OPTIONS


def shipped(capability: int) -> Iterator[Compiled]:  # noqa: ARG001
    """Rows that lie behind one another at multiples of sixteen, as blocks of similarities do, and any others."""
    signature = {"scores_ptr": "*fp32", "threshold_ptr": "*fp32", "edge_ptr": "*i64", "at_least_ptr": "*i32",
                 "above_ptr": "*i32", "gallery": "i32"}  # fmt: skip
    for name, stride in (("padded rows", "i32:16"), ("any rows", "i32")):
        constexprs = {"BLOCK_P": BLOCKS["BLOCK_P"], "BLOCK_G": BLOCKS["BLOCK_G"]}
        options = (OPTIONS["num_warps"], OPTIONS["num_stages"])
        yield Compiled(f"counts fp32, {name}", counting_kernel, signature | {"stride": stride}, constexprs, *options)
