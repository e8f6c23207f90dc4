"""The function that `scan.py` puts into a graph, in onnxscript, which compiles this source.

Shapes: B batch, L positions, E channels, N state size.
"""

# onnxscript resolves annotations itself: no `from __future__ import annotations` here, and none on the inner function.
# mypy: ignore-errors
# ruff: noqa: N802, ANN001, ANN202

from onnxscript import FLOAT, graph, script
from onnxscript import opset18 as op
from onnxscript.values import Opset

OWN = Opset("tbpsbench", 1)


@script(OWN, default_opset=op)
def SelectiveScan(
    u: FLOAT[...],
    dt: FLOAT[...],
    A: FLOAT[...],
    B: FLOAT[...],
    C: FLOAT[...],
    D: FLOAT[...],
    z: FLOAT[...],
    bias: FLOAT[...],
) -> FLOAT[...]:
    """u, dt, z (B, L, E), A (E, N), B, C (B, L, N), D, bias (E,): as `kernels.selective_scan.selective_scan`."""
    u_LBE = op.Transpose(u, perm=[1, 0, 2])
    dt_LBE = op.Transpose(op.Softplus(dt + bias), perm=[1, 0, 2])
    B_LBN = op.Transpose(B, perm=[1, 0, 2])
    C_LBN = op.Transpose(C, perm=[1, 0, 2])
    first_BE = op.Squeeze(op.Slice(u, [0], [1], [1]), [1])
    nothing_BEN = op.Unsqueeze(first_BE * 0.0, [2]) * A

    @graph()
    def position(state, u_t, dt_t, B_t, C_t):
        decay = op.Exp(op.Unsqueeze(dt_t, [2]) * A)
        state_out = decay * state + op.Unsqueeze(dt_t * u_t, [2]) * op.Unsqueeze(B_t, [1])
        y_t = op.Squeeze(op.MatMul(state_out, op.Unsqueeze(C_t, [2])), [2])
        return state_out, y_t

    _end, y_LBE = op.Scan(nothing_BEN, u_LBE, dt_LBE, B_LBN, C_LBN, body=position, num_scan_inputs=4)
    y = op.Transpose(y_LBE, perm=[1, 0, 2]) + u * D
    return y * (z * op.Sigmoid(z))
