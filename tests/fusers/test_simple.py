from tbpsbench import testing
from tbpsbench.fusers.simple import SimpleFuser


def test_fused_vector_follows_image_and_text():
    features = testing.toy_features(testing.toy_batch())
    SimpleFuser(testing.toy_dims()).eval()(features).sum().backward()
    for name in ("identity", "text.identity.pooled"):
        assert (features[name].grad.abs().sum(-1) > 0).all()


def test_without_a_text_there_is_nothing_to_align():
    fuser = SimpleFuser(testing.toy_dims(), text=None)
    assert fuser.pair.align_text is None
    assert fuser(testing.toy_features(testing.toy_batch())).shape == (6, 256)
