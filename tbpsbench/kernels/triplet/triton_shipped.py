"""What the batch-hard loss launches, for the compile gate (`shipping`)."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..shipping import Budget, Compiled
from .triton import gradient_kernel, hardest_kernel, mean_kernel
from .triton_launch import hardest_tile

INTEGERS = {"rows": "i32", "width": "i32:16", "stride": "i32:16"}


def shipped(capability: int) -> Iterator[Compiled]:  # noqa: ARG001
    """Mining of few and of many rows in bfloat16 and float32 (IEEE); the gradient."""
    signature = {"label_ptr": "*i64", "positive_ptr": "*i32", "negative_ptr": "*i32", "valid_ptr": "*i8"}
    signature |= {"length_ptr": "*fp32", "cost_ptr": "*fp32", "margin": "fp32", **INTEGERS}
    for dtype, name, dot in ((torch.bfloat16, "bf16", "bf16"), (torch.float32, "fp32", "ieee")):
        features = {"x_ptr": f"*{name}", "centred_ptr": f"*{name}"}
        for rows in (64, 8192):
            tile = hardest_tile(dtype, rows)
            # Fewer than 64 anchors are multiplied by the older instructions everywhere.
            budget = Budget(tensor_cores=dot == "bf16" and tile.block_m >= 64)
            constexprs = {**tile.blocks(), "DOT": dot, "UP": False}
            arguments = (signature | features, constexprs, tile.warps, tile.stages, budget)
            yield Compiled(f"hardest {name} {rows} rows", hardest_kernel, *arguments)
    names = ("grad_ptr", "share_ptr", "x_ptr", "out_ptr")
    signature = dict.fromkeys(names, "*fp32") | {"positive_ptr": "*i32", "negative_ptr": "*i32", **INTEGERS}
    constexprs = {"MEAN": False, "BLOCK_N": 1024, "BLOCK_D": 512, "UP": False}
    yield Compiled("gradient fp32", gradient_kernel, signature, constexprs, 4, 3)
    signature = dict.fromkeys(("cost_ptr", "length_ptr", "value_ptr", "share_ptr"), "*fp32")
    signature |= {"valid_ptr": "*i8", "rows": "i32"}
    yield Compiled("mean", mean_kernel, signature, {"BLOCK": 1024}, 4, 3)
