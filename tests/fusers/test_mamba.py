import torch

from tbpsbench import testing
from tbpsbench.fusers.mamba import MambaFuser


def test_paper_sizes_are_the_defaults():
    fuser = MambaFuser(testing.toy_dims())
    assert (len(fuser.layers), fuser.layers[0].D.numel(), fuser.out_dim) == (2, 512, 256)
    assert (fuser.layers[0].d_state, fuser.layers[0].d_conv) == (16, 4)


def test_on_one_position_decay_rates_have_no_part_and_on_tokens_they_do():
    features = testing.toy_features(testing.toy_batch())
    for sequence, takes_part in (("pooled", False), ("tokens", True)):
        fuser = MambaFuser(testing.toy_dims(), sequence=sequence)
        fuser(features).sum().backward()
        assert bool(fuser.layers[0].A_log.grad.abs().sum() > 0) is takes_part


def test_every_token_reaches_the_fused_vector():
    features = testing.toy_features(testing.toy_batch())
    MambaFuser(testing.toy_dims(), sequence="tokens").eval()(features).sum().backward()
    assert (features["identity.tokens"].grad.abs().sum(-1) > 0).all()
    reached = features["text.identity.tokens"].grad.abs().sum(-1) > 0
    assert torch.equal(reached, features["text.identity.mask"])
