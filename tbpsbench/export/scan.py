"""The selective scan in ONNX, where a fuser reads more than one position: one `Scan` node, a function of the graph.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

# Registers the operator that a traced model holds.
from tbpsbench.kernels.selective_scan import op as _  # noqa: F401


@cache
def translations() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """torch's operators of this package -> what writes them in ONNX, for `torch.onnx.export`."""
    # onnxscript reads the source of the function below: the names of its types and operators must be plain globals.
    from tbpsbench.export.scan_function import SelectiveScan

    def selective_scan(
        u: Any, dt: Any, A: Any, B: Any, C: Any, D: Any = None, z: Any = None, bias: Any = None, keep: bool = False
    ) -> tuple[Any, Any]:
        if keep or D is None or z is None or bias is None:
            raise NotImplementedError("a scan without skip, gate or bias, or with gradients")
        y = SelectiveScan(u, dt, A, B, C, D, z, bias)
        return y, y  # the second output, states for a backward pass, is read by nothing

    return {torch.ops.tbpsbench.selective_scan.default: selective_scan}
