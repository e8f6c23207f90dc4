"""What all launches of a call of the Triton kernels share: sides, labels, scales, how tiles are copied.

Shapes: N pairs, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..dispatch import KernelError, interpreting
from ..launching import ALIGNED_BYTES, kept, parts_of, placed, rounded
from .form import Form
from .tiles import COMPARED_ROWS, SMALL_ROWS, Tile
from .triton_statistics import identities_kernel

# Rows are told apart as float32 numbers.
MOST_ROWS = 1 << 24
# Stands for no gradient at all where float16 is scaled by the largest one.
TINY = 1e-30
# What a row's first byte must be a multiple of for copies in bulk.
BULK_BYTES = ALIGNED_BYTES


class Call:
    """One call, forward or backward.

    Attributes:
        rows, width: N and D.
        sides: anchors and positives (N, D), contiguous.
        label, scale: (N,); the scale as given, or something in its place that is not read.
        form: the loss.
        half: bfloat16 or float16.
        small: everything is done in one launch.
        has_scale, per_row: whether there is a scale, and whether it differs from row to row.
        scaling: the factor, and the scale's strides over directions and rows.
        bulk: whether tiles are copied by descriptors.
        both: whether there are two directions.
        paired: whether a row's positive is the row of its number alone, in a kernel that counts labels.
        weights: of the two directions.
        settings, kinds: of the forward kernels, numbers and constexpr arguments.
        key: tells apart what Triton compiles for in a call with these arguments, for `kept`.
    """

    def __init__(
        self,
        anchor_ND: Tensor,
        positive_ND: Tensor,
        label_N: Tensor,
        scale: Tensor | None,
        form: Form,
        has_alpha: bool = False,
    ) -> None:
        self.rows, self.width = anchor_ND.shape
        if self.rows >= MOST_ROWS:
            raise KernelError(f"{self.rows} pairs in a batch: the kernels take less than {MOST_ROWS}")
        self.sides, self.label = (anchor_ND.contiguous(), positive_ND.contiguous()), label_N.contiguous()
        self.form, self.half = form, anchor_ND.dtype != torch.float32
        self.small = self.rows <= SMALL_ROWS[self.half]
        self.has_scale = scale is not None
        self.per_row = scale is not None and scale.dim() == 2
        self.scale = anchor_ND if scale is None else scale
        strides = scale.stride() if scale is not None and self.per_row else (0, 0)
        # Triton compiles other code for integers, which callers may give.
        self.scaling = (float(form.factor), *strides)
        self.bulk = not self.small and self._in_bulk()
        self.both = form.column != 0
        self.paired = form.kind == "entropy" and form.distinct and self.half and not self.small
        self.weights = (float(form.row), float(form.column))
        self.settings = (*self.weights, float(form.eps), math.log(form.eps), float(form.margin))
        self.kinds: dict[str, Any] = {"KIND": form.kind, "MOMENTS": form.moments, "SLOPES": form.slopes}
        self.kinds |= {"ROOT": form.root, "BOTH": self.both, "HAS_SCALE": self.has_scale, "HAS_ALPHA": has_alpha}
        given = (*self.sides, self.label, self.scale)
        types = (given[0].dtype, self.label.dtype, self.scale.dtype, rounded(given[0].dtype))
        flags = (*self.kinds.values(), self.per_row, self.bulk)
        self.key = (self.rows, self.width, *strides, *types, *flags, placed(*given))

    def _in_bulk(self) -> bool:
        """From 9.0 on, where rows begin at multiples of 16 bytes, in half precision."""
        if not self.half or self.capability() < 90:
            return False
        places = (self.width * self.sides[0].itemsize, *(side.data_ptr() for side in self.sides))
        return all(place % BULK_BYTES == 0 for place in places)

    def boxes(self, tile: Tile) -> tuple[Any, ...]:
        """Both sides as kernels take them: descriptors of boxes (M, K), or pointers."""
        if not self.bulk:
            return self.sides
        if tile.block_m != tile.block_n:
            raise KernelError(f"a tile of {tile.block_m} x {tile.block_n}: descriptors take as many columns as rows")
        return tuple(described(side_ND, tile.block_m, tile.block_k) for side_ND in self.sides)

    def room(self, *shape: int) -> Tensor:
        """Memory for float32 numbers."""
        return torch.empty(shape, dtype=torch.float32, device=self.label.device)

    def capability(self) -> int:
        """Of the GPU, 90 for 9.0; the interpreter passes for one of those."""
        if not self.label.is_cuda:
            return 90
        major, minor = torch.cuda.get_device_capability(self.label.device)
        return 10 * major + minor

    def options(self, tile: Tile) -> dict[str, Any]:
        """Of the launch of a kernel that multiplies."""
        return {
            "BLOCK_M": tile.block_m,
            "BLOCK_N": tile.block_n,
            "BLOCK_K": tile.block_k,
            "PRECISION": "tf32" if rounded(self.sides[0].dtype) else "ieee",
            "UP": interpreting(),
            "num_warps": tile.warps,
            "num_stages": tile.stages,
            "enable_fp_fusion": True,
        }

    def identities(self) -> tuple[Tensor, Tensor]:
        """Labels (N,) as numbers below N in float32, which compare faster, and how many rows have each row's (N,)."""
        if self.form.distinct:
            return self.label.float(), torch.ones_like(self.label, dtype=torch.float32)
        if self.rows <= COMPARED_ROWS:
            identity_N, count_N = self.room(self.rows), self.room(self.rows)
            blocks = {"BLOCK_M": 64, "BLOCK_N": 64, "num_warps": 4, "num_stages": 2}
            launch = kept(self.key, identities_kernel, (parts_of(self.rows, 64),), lambda: blocks)
            launch(self.label, identity_N, count_N, self.rows)
            return identity_N, count_N
        sorted_N = self.label.sort().values
        first_N = torch.searchsorted(sorted_N, self.label)
        identity_N = first_N.float()
        count_N = torch.searchsorted(sorted_N, self.label, right=True).sub_(first_N).float()
        return identity_N, count_N

    def unit(self, grad_N: Tensor) -> Tensor:
        """What float16 gradients are relative to: those of a mean over many pairs are too small for it."""
        largest = grad_N.abs().amax()
        if not self.form.hinged:
            largest = largest * self.form.factor
            largest = largest * self.scale.abs().amax().float() if self.has_scale else largest
        return largest.clamp(min=TINY)


def described(matrix: Tensor, rows: int, columns: int) -> Any:
    """A descriptor of a matrix, copied box by box of (rows, columns)."""
    from triton.tools.tensor_descriptor import TensorDescriptor

    return TensorDescriptor(matrix, list(matrix.shape), list(matrix.stride()), [rows, columns])
