"""The randomness of one sample, drawn from (seed, epoch, index) and nothing else.

So a sample looks the same at any number of workers, in any order, and after a resume; and no epoch repeats another.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np


def sample_rng(seed: int, epoch: int, index: int, purpose: str) -> np.random.Generator:
    """A generator of its own for one use of one sample.

    Args:
        seed, epoch, index: not negative; `index` is the position in the training set (0 for a whole epoch's draw).
        purpose: what the numbers are for, e.g. "image" or "mask"; streams of different purposes are independent.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch, index, crc32(purpose.encode())))))
