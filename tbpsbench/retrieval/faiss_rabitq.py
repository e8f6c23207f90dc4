"""FAISS' scan of one bit a number: a few milliseconds for a million rows of 512, which then need few exact scores.

Shapes: N rows, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.errors import ConfigError
from tbpsbench.parts import require
from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.faiss import FaissIndex
from tbpsbench.retrieval.rows import Precision

# The most bits that FAISS gives a number; rows that its scan compares at a time.
MOST_BITS, BLOCK = 9, 32
OLDEST = (1, 13, 2)


@INDEXES.register("faiss-rabitq")
class FaissRaBitQ(FaissIndex):
    """A scan of one bit a number, or more (RaBitQ, Gao and Long 2024). Needs `tbpsbench[faiss]`.

    Args:
        folder, dim, writable: supplied by the gallery.
        bits: of each number, 1 to 9; more tell narrow or crowded vectors apart, and take longer.
        candidates: that are scored exactly, at least.
        dtype: how the exact vectors are kept on the disk.

    Raises:
        ValueError: if `bits` is not among those.
        ConfigError: if FAISS is not installed, or older than 1.13.2.
    """

    def __init__(
        self, folder: str | Path, dim: int, writable: bool = True, bits: int = 1, candidates: int = 1000,
        dtype: Precision = "float32",
    ) -> None:  # fmt: skip
        if not 1 <= bits <= MOST_BITS:
            raise ValueError(f"bits is {bits}, expected 1 to {MOST_BITS}")
        self._bits = bits
        _require_new(require("faiss", "faiss", "the index FaissRaBitQ"))
        super().__init__(folder, dim, candidates, dtype, "rabitq.faiss", 1000, writable=writable)

    def make(self, sample_ND: np.ndarray) -> Any:
        """See `FaissIndex.make`."""
        made = self._faiss.IndexRaBitQFastScan(self.dim, self._faiss.METRIC_INNER_PRODUCT, BLOCK, self._bits)
        made.train(sample_ND)
        return made

    def fits(self, found: Any) -> bool:
        """See `FaissIndex.fits`."""
        return (
            super().fits(found)
            and isinstance(found, self._faiss.IndexRaBitQFastScan)
            and (found.rabitq.nb_bits == self._bits)
        )


def _require_new(faiss: Any) -> None:
    """Refuse a FAISS that has no such index, or none whose bits can be chosen."""
    numbers = tuple(int(part) for part in faiss.__version__.split(".")[:3] if part.isdigit())
    if numbers < OLDEST:
        raise ConfigError(
            f"the index faiss-rabitq needs FAISS {'.'.join(map(str, OLDEST))} or newer, found {faiss.__version__}. "
            "Install it: pip install -U 'tbpsbench[faiss]'"
        )
