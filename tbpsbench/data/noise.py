"""Noisy correspondence: some training pairs get the caption of another pair (Huang et al. 2021; RDE, Qin et al. 2024).

Shapes: N training pairs in the order of the annotation file.
"""

from __future__ import annotations

import io

import numpy as np

from tbpsbench.data.randomness import sample_rng
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.reading import given_path, read_bytes

MAX_BYTES = 64 << 20  # eight million pairs; the largest data set has 68 thousand


def caption_permutation(noise: float | str | None, num_pairs: int, seed: int) -> np.ndarray | None:
    """Which caption every pair gets.

    Args:
        noise: share of the pairs whose captions are shuffled among themselves, 0..1; or a .npy file with a permutation,
            as RDE ships them; None or 0 for no noise.
        num_pairs: N.
        seed: of the shuffle.

    Returns:
        (N,) int64: pair i shows the caption of pair permutation[i]; or None without noise.

    Raises:
        ConfigError: if the share is not in 0..1.
        DataError: if the file is not a permutation of 0 .. N - 1.
    """
    if noise is None or noise == 0:
        return None
    if isinstance(noise, str):
        return check_permutation(_read(noise), num_pairs, noise)
    if not 0 < noise <= 1:
        raise ConfigError(f"data.noise is {noise}, expected a share between 0 and 1 or a .npy file")
    rng = sample_rng(seed, 0, 0, "noisy correspondence")
    chosen = rng.choice(num_pairs, int(noise * num_pairs), replace=False)
    permutation = np.arange(num_pairs)
    permutation[chosen] = rng.permutation(chosen)
    return permutation


def check_permutation(permutation: np.ndarray, num_pairs: int, where: str = "caption_permutation") -> np.ndarray:
    """The permutation as int64.

    Raises:
        DataError: if it is not a permutation of 0 .. num_pairs - 1.
    """
    if not np.issubdtype(permutation.dtype, np.integer) or permutation.ndim != 1:
        raise DataError(
            f"{where}: expected one row of whole numbers, found {permutation.dtype} of shape {permutation.shape}"
        )
    if len(permutation) != num_pairs:
        raise DataError(
            f"{where}: {len(permutation)} numbers for {num_pairs} training pairs: it was made for another data set, "
            "split or caption file"
        )
    if not np.array_equal(np.sort(permutation), np.arange(num_pairs)):
        raise DataError(f"{where}: not a permutation: some of 0 .. {num_pairs - 1} are missing or occur twice")
    return permutation.astype(np.int64)


def _read(name: str) -> np.ndarray:
    path = given_path(name)
    raw = read_bytes(path, limit=MAX_BYTES)
    try:
        value = np.load(io.BytesIO(raw), allow_pickle=False)
    except Exception as error:  # of a damaged header, which is read as Python, numpy raises nearly anything
        raise DataError(f"{path}: not a .npy file of numbers ({str(error)[:200]})") from None
    if not isinstance(value, np.ndarray):
        raise DataError(f"{path}: holds several arrays, expected a .npy file with one")
    return value
