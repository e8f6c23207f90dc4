"""Position embeddings for other sizes: image grids resized (IRRA), text positions stretched (Long-CLIP; CTGI).

Shapes: L positions, D width, h x w grid.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def resize_grid(
    positions_LD: Tensor, to_hw: tuple[int, int], from_hw: tuple[int, int] | None = None, *, prefix: int = 1
) -> Tensor:
    """Resize a grid of position embeddings bilinearly; the rows before the grid (CLS) are kept.

    Args:
        positions_LD: (prefix + h * w, D), or the same with a leading axis of length 1.
        to_hw: rows and columns wanted.
        from_hw: rows and columns given; None for a square.
        prefix: rows before the grid.

    Returns:
        (prefix + to_h * to_w, D), with the leading axis if there was one; the input itself where the sizes agree.

    Raises:
        ValueError: if the number of rows does not fit `from_hw`, or is no square where `from_hw` is None.
    """
    if positions_LD.ndim == 3:
        return resize_grid(positions_LD.squeeze(0), to_hw, from_hw, prefix=prefix).unsqueeze(0)
    count = len(positions_LD) - prefix
    height, width = from_hw or (math.isqrt(max(count, 0)),) * 2
    if count < 1 or height * width != count:
        grid = f"the grid {height} x {width}" if from_hw else "a square grid; say which grid it is (from_hw)"
        raise ValueError(f"{count} positions after {prefix} leading ones do not make {grid}")
    if (height, width) == tuple(to_hw):
        return positions_LD
    head_PD, grid_LD = positions_LD[:prefix], positions_LD[prefix:]
    grid_1Dhw = grid_LD.float().T.reshape(1, -1, height, width)
    resized_1Dhw = nn.functional.interpolate(grid_1Dhw, size=tuple(to_hw), mode="bilinear", align_corners=False)
    return torch.cat([head_PD, resized_1Dhw.flatten(2)[0].T.to(positions_LD.dtype)])


def stretch_text_positions(positions_LD: Tensor, keep: int = 20, factor: int = 4) -> Tensor:
    """Stretch text positions so that a text encoder reads longer texts without new weights (Long-CLIP): 77 -> 248.

    The first `keep` rows stay. Every later row p_i becomes the `factor` rows p_i + k / factor * (p_{i+1} - p_i),
    k = 0 .. factor - 1; the last one, which has no successor, continues with the last difference. So
    20 + 57 * 4 = 248, and row 20 + 4 j is the old row 20 + j exactly.

    Eq. 4 of the CTGI paper states the same intention with other index arithmetic: for positions beyond 20 (from 1 on)
    it reads PE at floor(pos / 4) and ceil(pos / 4), without the offset of 20, weighs them with the fractional part of
    (pos - 20) / 4, and gives the range as 21 .. 77. Taken literally, position 21 would get the embeddings 5 and 6, and
    nothing would be defined beyond 77. We follow Long-CLIP, which the paper cites.

    Args:
        positions_LD: (L, D), L >= keep + 2.
        keep: rows left as they are.
        factor: rows made of each later row.

    Returns:
        (keep + (L - keep) * factor, D).

    Raises:
        ValueError: if fewer than two rows are left to interpolate between.
    """
    if len(positions_LD) < keep + 2 or keep < 0 or factor < 1:
        raise ValueError(
            f"cannot stretch {len(positions_LD)} positions keeping {keep}: two or more must be left to interpolate, "
            f"and factor ({factor}) must be at least 1"
        )
    rest_RD = positions_LD[keep:]
    step_RD = rest_RD.diff(dim=0)
    step_RD = torch.cat([step_RD, step_RD[-1:]])
    share_F1 = torch.arange(factor, dtype=rest_RD.dtype, device=rest_RD.device)[:, None] / factor
    stretched_RFD = rest_RD[:, None] + share_F1 * step_RD[:, None]
    return torch.cat([positions_LD[:keep], stretched_RFD.flatten(0, 1)])


def stretched_length(length: int, keep: int = 20, factor: int = 4) -> int:
    """Number of positions after stretching: 248 for 77."""
    return keep + (length - keep) * factor
