"""How alike texts and the pictures of an index are: by one vector each, or as the system's heads say.

Shapes: Q queries, N pictures, K best, C candidates.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tbpsbench.errors import DataError
from tbpsbench.retrieval.base import Index
from tbpsbench.retrieval.first_stage import first_stage
from tbpsbench.retrieval.sets import Sets
from tbpsbench.system import Embedded, System
from tbpsbench.vectors import Encoded

# Candidates that a head which compares sets scores itself, at least; and pictures whose sets are held at once.
CANDIDATES, SET_ROWS = 200, 1024


class Scores:
    """What is asked of an index with a system's embeddings.

    Args:
        system: that made the vectors.
        index: one vector for each picture.
        sets: what heads compare that have more than one; None where all compare by the cosine.
    """

    def __init__(self, system: System, index: Index, sets: Sets | None) -> None:
        self._system, self._index, self._sets = system, index, sets

    def search(self, embedded: Embedded, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, K), best first, and ids; where heads compare sets, of at least `CANDIDATES` that one vector finds.

        Raises:
            DataError: if the embeddings are another system's, or k is not positive.
        """
        self._require_own(embedded)
        if k < 1:
            raise DataError(f"k is {k}, expected at least 1")
        if isinstance(embedded, Tensor):
            return self._index.search(embedded.numpy(), k)
        query_QD = first_stage(self._system.model, embedded, "text")
        _, candidate_QC = self._index.search(query_QD.numpy(), max(k, CANDIDATES))
        k = min(k, candidate_QC.shape[1])
        score_QK, id_QK = np.empty((len(candidate_QC), k), np.float32), np.empty((len(candidate_QC), k), np.int64)
        for row, candidate_C in enumerate(np.sort(candidate_QC, axis=1)):  # equal scores in the order of the ids
            score_C = self._by_heads(embedded[row : row + 1], candidate_C)[0]
            best_K = np.argsort(-score_C, kind="stable")[:k]
            score_QK[row], id_QK[row] = score_C[best_K], candidate_C[best_K]
        return score_QK, id_QK

    def all(self, embedded: Embedded) -> np.ndarray:
        """(Q, N) float32 similarities with everything in the index, in the order of its ids.

        Raises:
            DataError: as `search`.
        """
        self._require_own(embedded)
        if isinstance(embedded, Tensor):
            return self._index.similarities(embedded.numpy())
        return self._by_heads(embedded, self._index.ids())

    def _by_heads(self, embedded: Encoded, id_N: np.ndarray) -> np.ndarray:
        assert self._sets is not None
        parts = [
            self._system.similarity(embedded, self._sets.read(id_N[first : first + SET_ROWS])).numpy()
            for first in range(0, len(id_N), SET_ROWS)
        ]
        return np.concatenate(parts, axis=1) if parts else np.empty((len(embedded), 0), np.float32)

    def _require_own(self, embedded: Embedded) -> None:
        if isinstance(embedded, Tensor) != self._system.model.cosine:
            raise DataError("the queries were embedded by another system than the index's")
