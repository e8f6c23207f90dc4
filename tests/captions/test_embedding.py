import numpy as np
import pytest

from tbpsbench.captions.embedding import Embedder, open_embedder
from tbpsbench.errors import ConfigError

PARTS = {
    "tokenizer": {"type": "CLIPBPE", "context_length": 32, "mask": False},
    "text_encoder": {"type": "CLIPText", "arch": {"embed_dim": 16, "width": 32, "layers": 1, "heads": 2}},
}
TEXTS = ["a man in red", "a woman with a very long and winding coat", "a man in red", "tall"]


def test_rows_are_unit_vectors_in_the_order_of_the_texts():
    row_ND = open_embedder(PARTS)(TEXTS)
    assert row_ND.dtype == np.float32
    assert row_ND.shape == (4, 16)
    assert np.allclose(np.linalg.norm(row_ND, axis=1), 1, atol=1e-5)
    assert np.array_equal(row_ND[0], row_ND[2])
    alone = np.concatenate([open_embedder(PARTS)([text]) for text in TEXTS])
    assert np.allclose(row_ND, alone, atol=1e-5)


def test_batches_do_not_matter():
    assert np.allclose(open_embedder({**PARTS, "batch_size": 2})(TEXTS), open_embedder(PARTS)(TEXTS), atol=1e-5)


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = open_embedder({**PARTS, "seed": 1})(TEXTS)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(first, open_embedder({**PARTS, "seed": 1})(TEXTS))
    assert not np.allclose(first, open_embedder({**PARTS, "seed": 2})(TEXTS), atol=1e-3)


def test_no_texts_no_rows():
    assert open_embedder(PARTS)([]).shape == (0, 16)


def test_dropout_is_off():
    assert not any(module.training for module in open_embedder(PARTS).encoder.modules())


@pytest.mark.parametrize("config", ["minilm2", {"tokenizer": {}}, {**PARTS, "model": 1}])
def test_wrong_embedders_are_refused(config):
    with pytest.raises(ConfigError, match=r"embedder: .*minilm"):
        open_embedder(config)


def test_embedder_is_made_of_any_parts():
    made = open_embedder(PARTS)
    assert isinstance(Embedder(made.tokenizer, made.encoder, 3)(TEXTS), np.ndarray)
