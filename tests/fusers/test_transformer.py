import torch

from tbpsbench import testing
from tbpsbench.fusers.transformer import TransformerFuser


def test_paper_compares_with_four_layers():
    assert len(TransformerFuser(testing.toy_dims()).layers.layers) == 4


def test_tokens_are_read_by_a_token_of_its_own():
    features = testing.toy_features(testing.toy_batch())
    assert TransformerFuser(testing.toy_dims()).readout is None
    TransformerFuser(testing.toy_dims(), sequence="tokens").eval()(features).sum().backward()
    assert (features["identity.tokens"].grad.abs().sum(-1) > 0).all()
    reached = features["text.identity.tokens"].grad.abs().sum(-1) > 0
    assert torch.equal(reached, features["text.identity.mask"])
