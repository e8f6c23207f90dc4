"""The first-use check of the Triton form on a device: a small and a larger odd problem against the definitions.

Shapes: N pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..dispatch import KernelError
from ..launching import rounded
from . import naive
from .form import Form, Kind
from .tiles import SMALL_ROWS

# Channels; of rows that are copied in bulk where the GPU can, and of rows that begin at no multiple of 16 bytes.
WIDTH, UNALIGNED = 72, 71
SCALE, MARGIN = 10.0, 0.2
# Relative to the norm of the exact result; half precision rounds gradients, and TF32, where asked for, products.
LIMIT = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 4e-2}
LIMIT_TF32 = 2e-2


def self_check(kind: Kind, device: torch.device, dtype: torch.dtype) -> None:
    """Compare losses and gradients of a kind with its definition in float64.

    Raises:
        KernelError: where they differ.
    """
    few = SMALL_ROWS[dtype != torch.float32]
    for rows, width in ((37, WIDTH), (few + 128, WIDTH), (few + 65, UNALIGNED)):
        for distinct in (False, True) if kind == "entropy" else (False,):
            _compare(kind, rows, width, device, dtype, distinct)


def _compare(kind: Kind, rows: int, width: int, device: torch.device, dtype: torch.dtype, distinct: bool) -> None:
    from .triton import gradient, statistics
    from .triton_blocks import Sizes

    generator = torch.Generator().manual_seed(rows)
    drawn_ND = torch.randn(3, rows, width, generator=generator, dtype=torch.float64)
    anchor_ND, positive_ND = (normalize(x_ND, dim=1).to(device, dtype) for x_ND in drawn_ND[:2])
    label_N = (torch.arange(rows) if distinct else torch.arange(rows) * 7 % (rows // 3)).to(device)
    grad_N = drawn_ND[2, :, 0].to(device, torch.float32)
    weight = 0.5 if kind == "entropy" else 1.0
    form = Form(kind, SCALE, weight, weight, margin=MARGIN, distinct=distinct)
    value_N, saved, _, identity = statistics(anchor_ND, positive_ND, label_N, None, None, form)
    # Several blocks of rows and columns where a real batch has one.
    sizes = Sizes(rows=256, bytes=2 * 256 * 384, whole=0) if width == WIDTH else None
    gradients = gradient(grad_N, anchor_ND, positive_ND, label_N, None, saved, identity, form, sizes=sizes)
    found = [value_N, *gradients]
    exact = [side_ND.double().requires_grad_() for side_ND in (anchor_ND, positive_ND)]
    expected_N = _definition(kind, exact[0], exact[1], label_N)
    expected = [expected_N.detach(), *torch.autograd.grad(expected_N, exact, grad_N.double())]
    limit = LIMIT_TF32 if rounded(dtype) else LIMIT[dtype]
    for what, ours, theirs in zip(
        ("losses", "gradient of anchors", "gradient of positives"), found, expected, strict=True
    ):
        error = ((ours.double() - theirs).norm() / theirs.norm()).item()
        if not error <= limit:
            raise KernelError(f"{what} of {rows} pairs of width {width} are off by {error:.1e}, allowed {limit:.0e}")


def _definition(kind: Kind, anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor) -> Tensor:
    if kind == "entropy":
        return naive.info_nce(anchor_ND, positive_ND, label_N, SCALE, positives="identity")
    if kind == "divergence":
        return naive.sdm(anchor_ND, positive_ND, label_N, 1 / SCALE)
    loss = naive.tal if kind == "alignment" else naive.trl
    return loss(anchor_ND, positive_ND, label_N, 1 / SCALE, MARGIN)
