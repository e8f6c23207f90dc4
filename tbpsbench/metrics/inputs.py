"""Features and similarities as they come in: one type, and finite.

Shapes: Q queries, G gallery, B rows of a block.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics.matching import MAX_SHOWN

Array: TypeAlias = np.ndarray | torch.Tensor


def as_features(features: Array, side: str, device: torch.device | str | None) -> torch.Tensor:
    """Features as a matrix of float32 (float64 if given so) on `device`, without gradient and finite."""
    tensor = torch.as_tensor(features).detach()
    tensor = tensor.to(device=device, dtype=torch.float64 if tensor.dtype == torch.float64 else torch.float32)
    if tensor.ndim != 2:
        raise DataError(f"{side} features have the shape {tuple(tensor.shape)}, not (items, width)")
    finite = torch.isfinite(tensor)
    if not finite.all():
        bad = torch.nonzero(~finite.all(1)).flatten().tolist()
        raise DataError(f"features of {listed(side, bad)} are NaN or infinite: did the training diverge?")
    return tensor


def as_scores(scores: Array) -> Array:
    """Similarities in a type that NumPy and the counting forms handle: float32, float64, or an integer as float64."""
    if isinstance(scores, torch.Tensor):
        scores = scores.detach()
        half = scores.dtype in (torch.float16, torch.bfloat16)
        return scores.float() if half else scores if scores.dtype.is_floating_point else scores.double()
    return scores.astype(np.float32 if scores.dtype.name in ("float16", "float32") else np.float64, copy=False)


def rows_with_nan(scores_BG: Array) -> list[int]:
    """Rows that hold a NaN."""
    if isinstance(scores_BG, torch.Tensor):
        return torch.nonzero(torch.isnan(scores_BG).any(1)).flatten().tolist()
    return np.flatnonzero(np.isnan(scores_BG).any(1)).tolist()


def listed(side: str, rows: list[int]) -> str:
    """'query 3, 7, ... and 5 more'."""
    more = f" and {len(rows) - MAX_SHOWN} more" if len(rows) > MAX_SHOWN else ""
    return f"{side} {', '.join(map(str, rows[:MAX_SHOWN]))}{more}"
