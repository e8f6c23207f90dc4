import torch

from tbpsbench.disentanglers.patch_mean import PatchMean
from tbpsbench.testing import check_disentangler, toy_batch, toy_dims, toy_features


def test_identity_is_the_mean_of_the_patches():
    check_disentangler({"type": "PatchMean"})
    features, part = toy_features(toy_batch()), PatchMean(toy_dims())
    made = part(features)
    assert made["identity.tokens"] is features["image.patches"]
    assert torch.equal(made["identity"], features["image.patches"].mean(dim=1))
    assert list(part.parameters()) == []
