import torch

from tbpsbench import testing
from tbpsbench.fusers.pair import GatedPair, last_position, tokens_of


def pair(**options):
    options = {"dim": 4, "dropout": 0.0, "text_dropout": 0.0, "alignment": True, "gate": True, **options}
    return GatedPair(testing.toy_dims(), "identity", "text.identity.pooled", **options)


def test_gate_weights_sum_to_one_and_are_a_half_without_it():
    x, y = torch.randn(5, 4), torch.randn(5, 4)
    weights = pair().weights(x, y)
    torch.testing.assert_close(weights.sum(1), torch.ones(5))
    assert weights.std(dim=0).min() > 0
    assert (pair(gate=False).weights(x, y) == 0.5).all()


def test_tokens_of_a_pooled_feature():
    names = {
        "image.pooled": "image.patches",
        "text.identity.pooled": "text.identity.tokens",
        "identity": "identity.tokens",
    }
    assert {name: tokens_of(name) for name in names} == names


def test_last_position_counts():
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]).bool()
    assert last_position(mask).tolist() == [1, 3, 0]


def test_tokens_come_after_those_of_the_image_and_keep_their_mask():
    features = testing.toy_features(testing.toy_batch())
    x, mask = pair(sequence="tokens").eval()(features)
    assert x.shape == (6, 8 + 9, 4)
    assert mask[:, :8].all()
    assert torch.equal(mask[:, 8:], features["text.identity.mask"])
