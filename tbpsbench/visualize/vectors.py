"""Vectors that a trained model makes of images, for the pictures that show them.

Shapes: N images, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tbpsbench.data.eval_set import GallerySet
from tbpsbench.model import PersonSearchModel


@torch.no_grad()
def image_vectors(
    model: PersonSearchModel,
    gallery: GallerySet,
    names: Sequence[str],
    positions: Sequence[int] | None = None,
    batch_size: int = 64,
) -> dict[str, np.ndarray]:
    """Named features of gallery images, embedded as evaluation does it.

    Args:
        model: in evaluation mode.
        gallery: the images.
        names: features that the model has, e.g. "identity", each (B, D).
        positions: of the images within the gallery; default: all, in order.
        batch_size: images at a time.

    Returns:
        name -> (N, D) float32.
    """
    device = next(model.parameters()).device
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in gallery.batches(batch_size, indices=positions):
        features = model.extract(batch.to(device))
        for name, rows in parts.items():
            rows.append(features[name].float().cpu().numpy())
    return {name: np.concatenate(rows) for name, rows in parts.items()}
