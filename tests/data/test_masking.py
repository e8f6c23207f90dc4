"""The mask rule of IRRA and the text augmentation of RDE, with their shares counted."""

import numpy as np
import pytest

from tbpsbench.data.masking import TokenChanger
from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
from tbpsbench.errors import ConfigError

MASK, SOT, EOT = 49405, 49406, 49407


@pytest.fixture(scope="module")
def changer():
    return TokenChanger(CLIPBPE())


def text(length=40, total=77):
    ids = np.zeros(total, dtype=np.int32)
    ids[:length] = [SOT, *range(1000, 1000 + length - 2), EOT]
    return ids


def test_shares_of_masked_replaced_and_kept_tokens(changer):
    ids, rng = text(), np.random.default_rng(0)
    pairs = [changer.mask(ids, rng) for _ in range(4000)]
    masked, labels = (np.stack(column) for column in zip(*pairs, strict=True))
    chosen = labels != 0
    assert abs(chosen[:, 1:39].mean() - 0.15) < 0.004
    assert abs((masked[chosen] == MASK).mean() - 0.8) < 0.01
    assert abs((masked[chosen] == labels[chosen]).mean() - 0.1) < 0.01
    replaced = masked[chosen & (masked != MASK) & (masked != ids)]
    assert abs(len(replaced) / chosen.sum() - 0.1) < 0.01
    assert replaced.min() >= 1
    assert replaced.max() <= 49404
    assert len(np.unique(replaced)) > 1000


def test_labels_are_the_original_ids_where_chosen(changer):
    ids = text()
    masked, labels = changer.mask(ids, np.random.default_rng(1))
    assert (labels[labels != 0] == ids[labels != 0]).all()
    assert (masked[labels == 0] == ids[labels == 0]).all()


def test_special_tokens_and_padding_are_never_chosen(changer):
    ids = text()
    for seed in range(50):
        masked, labels = changer.mask(ids, np.random.default_rng(seed), p=1.0)
        assert labels[0] == labels[39] == 0
        assert (labels[40:] == 0).all()
        assert (masked[0], masked[39]) == (SOT, EOT)
        assert (labels[1:39] == ids[1:39]).all()


def test_position_one_is_masked_if_nothing_was_chosen(changer):
    masked, labels = changer.mask(text(), np.random.default_rng(0), p=0.0)
    assert (masked[1], labels[1]) == (MASK, 1000)
    assert (labels[2:] == 0).all()
    assert (masked[2:] == text()[2:]).all()


def test_special_tokens_alone_are_left_as_they_are(changer):
    ids = text(2)
    masked, labels = changer.mask(ids, np.random.default_rng(0))
    assert (masked == ids).all()
    assert (labels == 0).all()
    ids[1:4] = [EOT, 1000, EOT]
    masked, labels = changer.mask(ids, np.random.default_rng(0), p=0.0)
    assert (masked[:4].tolist(), labels[:4].tolist()) == ([SOT, EOT, MASK, EOT], [0, 0, 1000, 0])


def test_masking_leaves_the_given_ids_alone(changer):
    ids = text()
    changer.mask(ids, np.random.default_rng(0), p=1.0)
    assert (ids == text()).all()


def test_shares_of_token_noise(changer):
    ids, rng = text(), np.random.default_rng(0)
    deleted = masked = 0
    for _ in range(2000):
        changed, length = changer.noise(ids, 40, rng)
        deleted += 40 - length
        masked += (changed == MASK).sum()
        assert (changed[length:] == 0).all()
        assert (changed[0], changed[length - 1]) == (SOT, EOT)
    tokens = 38 * 2000
    assert abs(deleted / tokens - 0.2 * 0.2) < 0.004
    assert abs(masked / tokens - 0.2 * 0.6) < 0.004


def test_a_tokenizer_without_mask_token_is_refused():
    with pytest.raises(ConfigError, match="CLIPBPE has no mask token"):
        TokenChanger(CLIPBPE(mask=False))
