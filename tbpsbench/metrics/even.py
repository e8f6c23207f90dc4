"""Dot products that never depend on where a row stands: equal rows get equal similarities with a query.

A product of matrix and vector sends the last rows, or those where one thread ends, through another kernel, whose sums
run in another order; so equal rows get unequal scores there, and no longer come in their order. Of one query each row
is multiplied by itself here; of more, matrices are, whose rows are filled up to a multiple of `MULTIPLE`.

Shapes: Q queries, C rows, D width.
"""

from __future__ import annotations

import numpy as np
import torch

from tbpsbench.metrics.products import GALLERY_MULTIPLE as MULTIPLE
from tbpsbench.vectors import full_precision

# Up to so many queries a product with a row for each picture, and turning it round, is the faster way to all scores.
# Equal rows get equal products that way if their width is a multiple of `EVEN`; the other way of every width.
TURNED, EVEN = 16, 4


def row_products(row_CD: np.ndarray, query_D: np.ndarray) -> np.ndarray:
    """(C,) float32 dot products: each row's is a call of its own, which takes no longer where memory sets the pace."""
    with np.errstate(all="ignore"):  # a row that is not finite has a score that is not, which a caller can see
        return np.asarray(np.vecdot(row_CD.astype(np.float32, copy=False), query_D))


def even_products(query_QD: np.ndarray, stored_CD: np.ndarray, out_QC: np.ndarray | None = None) -> np.ndarray:
    """(Q, C) float32 dot products, the same for equal rows, in float32 whatever precision a caller has set.

    Args:
        query_QD: float32.
        stored_CD: float32 or float16.
        out_QC: where to write them; None: a new matrix.
    """
    if out_QC is None:
        out_QC = np.empty((len(query_QD), len(stored_CD)), np.float32)
    if len(query_QD) == 1:
        out_QC[0] = row_products(stored_CD, query_QD[0])
        return out_QC
    with full_precision("cpu"):
        _fill(torch.from_numpy(out_QC), torch.from_numpy(query_QD), stored_CD)
    return out_QC


def _fill(out: torch.Tensor, query: torch.Tensor, stored_CD: np.ndarray) -> None:
    row_CD = torch.from_numpy(stored_CD.astype(np.float32, copy=False))
    rest = len(row_CD) % MULTIPLE
    if whole := len(row_CD) - rest:
        _multiply(query, row_CD[:whole], out[:, :whole])
    if rest:
        # Rows before them, or zeros where there are none, make as many as are multiplied at least.
        last_MD = row_CD[-MULTIPLE:] if whole else torch.nn.functional.pad(row_CD, (0, 0, MULTIPLE - rest, 0))
        last_QM = out.new_empty(len(query), MULTIPLE)
        _multiply(query, last_MD, last_QM)
        out[:, whole:] = last_QM[:, -rest:]


def _multiply(query: torch.Tensor, row: torch.Tensor, out: torch.Tensor) -> None:
    if len(query) <= TURNED and query.shape[1] % EVEN == 0:
        out[:] = (row @ query.T).T
    else:
        torch.mm(query, row.T, out=out)
