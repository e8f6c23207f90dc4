"""Gradients of ||X_c^T Y_c||^2 in Triton: dX = f Y_c C^T and dY = f X_c C, centring fused into the loads.

Every program owns its part of the output; both gradients are one launch.

Shapes: N rows, D and E widths of the two sets, S = D + E.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from ..triton_centring import centred
from ..triton_rounding import operand, precision, rounded


@triton.jit
def gradient(own_ptr, own_mean_ptr, partner_ptr, mean_ptr, cross_ptr, length_ptr, total_ptr, pulled_ptr, out_ptr,
             factor, block, rows, total, width, depth, own_stride, stride, leading, TRANSPOSED: tl.constexpr,
             UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
             DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """One tile of factor x (centred partner) x C or its transpose; unbiased, with what the diagonals add."""
    across = tl.cdiv(width, BLOCK_N)
    row = block // across * BLOCK_M + tl.arange(0, BLOCK_M)
    col = block % across * BLOCK_N + tl.arange(0, BLOCK_N)
    kept, inside = row < rows, col < width
    found = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, depth, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        in_k = k < depth
        mean = tl.load(mean_ptr + k, mask=in_k, other=0.0)
        partner = centred(partner_ptr, stride, row, kept, k, in_k, mean, DOT, UP)
        if TRANSPOSED:
            at = col.to(tl.int64)[:, None] * leading + k[None, :]
            cross = tl.load(cross_ptr + at, mask=inside[:, None] & in_k[None, :], other=0.0)
            cross = tl.trans(operand(cross.to(tl.float32), DOT, UP))
        else:
            at = k.to(tl.int64)[:, None] * leading + col[None, :]
            cross = tl.load(cross_ptr + at, mask=in_k[:, None] & inside[None, :], other=0.0)
            cross = operand(cross.to(tl.float32), DOT, UP)
        found = tl.dot(partner, cross, found, input_precision=precision(DOT))
    if UNBIASED:
        # As in `torch.gradients`: the partner's diagonal, centred.
        length = tl.load(length_ptr + row, mask=kept, other=0.0)
        weight = tl.load(total_ptr) / (total - 1) / (total - 2) - length * total / (total - 2)
        mean = tl.load(own_mean_ptr + col, mask=inside, other=0.0)
        own = centred(own_ptr, own_stride, row, kept, col, inside, mean, DOT, UP).to(tl.float32)
        pulled = tl.load(pulled_ptr + col, mask=inside, other=0.0)
        found += weight[:, None] * own + (pulled / (total - 2))[None, :]
    out = rounded(found * factor, out_ptr.dtype.element_ty, UP)
    at = row.to(tl.int64)[:, None] * width + col[None, :]
    tl.store(out_ptr + at, out, mask=kept[:, None] & inside[None, :])


@triton.jit
def backward_kernel(grad_ptr, x_ptr, y_ptr, mean_ptr, cross_ptr, length_ptr, rest_ptr, out_x_ptr, out_y_ptr, rows,
                    total, width, other, stride_x, stride_y, scale, blocks, UNBIASED: tl.constexpr,
                    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, DOT: tl.constexpr,
                    UP: tl.constexpr):  # fmt: skip
    """Both gradients: the first `blocks` programs those of x, the others those of y."""
    block = tl.program_id(0)
    factor = 2.0 * scale * tl.load(grad_ptr).to(tl.float32)
    if block < blocks:
        gradient(x_ptr, mean_ptr, y_ptr, mean_ptr + width, cross_ptr, length_ptr + rows, rest_ptr + 2, rest_ptr + 3,
                 out_x_ptr, factor, block, rows, total, width, other, stride_x, stride_y, other, True, UNBIASED,
                 BLOCK_M, BLOCK_N, BLOCK_K, DOT, UP)  # fmt: skip
    else:
        gradient(y_ptr, mean_ptr + width, x_ptr, mean_ptr, cross_ptr, length_ptr, rest_ptr + 1, rest_ptr + 3 + width,
                 out_y_ptr, factor, block - blocks, rows, total, other, width, stride_y, stride_x, other, False,
                 UNBIASED, BLOCK_M, BLOCK_N, BLOCK_K, DOT, UP)  # fmt: skip
