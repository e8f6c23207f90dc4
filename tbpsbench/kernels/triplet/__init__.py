"""Triplets of one batch by squared distance: which ones a loss looks at, and what they cost (BDAM, eq. 4).

The cost of a triplet is max(d_ap - d_an + margin, 0) with squared Euclidean distances d. Which triplets count, and
which of them are above zero, is found without gradients; what is left to differentiate is linear in the distances. So
the backward pass touches the chosen pairs alone (or one matrix product, for all triplets), and a matrix of all
distances is never kept.
"""

# The submodule `torch` takes that name in this file.
from .public import MININGS, Mining, anchors_with_positive, triplet

__all__ = ["MININGS", "Mining", "anchors_with_positive", "triplet"]
