import numpy as np
import pytest

from tbpsbench.data.noise import caption_permutation
from tbpsbench.errors import ConfigError, DataError


@pytest.mark.parametrize("noise", [None, 0, 0.0])
def test_no_noise_is_none(noise):
    assert caption_permutation(noise, 10, 0) is None


@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0])
def test_a_ratio_shuffles_that_share_among_themselves(ratio):
    permutation = caption_permutation(ratio, 1000, 3)
    moved = (permutation != np.arange(1000)).sum()
    assert sorted(permutation) == list(range(1000))
    # A shuffle of n leaves one in its place on average.
    assert 1000 * ratio - 8 <= moved <= 1000 * ratio


def test_the_shuffle_depends_on_the_seed_alone():
    first, again, other = (caption_permutation(0.5, 100, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_file_is_read_as_it_is(tmp_path):
    np.save(tmp_path / "cuhk_0.2.npy", np.array([2, 0, 1, 3]))
    assert caption_permutation(str(tmp_path / "cuhk_0.2.npy"), 4, 0).tolist() == [2, 0, 1, 3]


BAD = {
    "wrong length": (np.arange(5), "5 numbers for 4 training pairs"),
    "not a permutation": (np.array([0, 1, 1, 3]), "not a permutation"),
    "negative": (np.array([0, 1, 2, -1]), "not a permutation"),
    "floats": (np.arange(4.0), "whole numbers, found float64"),
    "two rows": (np.arange(4).reshape(2, 2), r"shape \(2, 2\)"),
    "objects": (np.array([0, None, 1, 2], dtype=object), "not a .npy file of numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused(case, tmp_path):
    value, message = BAD[case]
    np.save(tmp_path / "noise.npy", value, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        caption_permutation(str(tmp_path / "noise.npy"), 4, 0)


def test_a_missing_or_damaged_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        caption_permutation(str(tmp_path / "none.npy"), 4, 0)
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"not a \.npy file"):
        caption_permutation(str(tmp_path / "torn.npy"), 4, 0)


@pytest.mark.parametrize("noise", [-0.1, 1.5])
def test_a_share_outside_0_to_1_is_refused(noise):
    with pytest.raises(ConfigError, match="expected a share"):
        caption_permutation(noise, 4, 0)
