import pytest
import torch

from tbpsbench.heads.global_head import GlobalHead
from tbpsbench.testing import toy_batch, toy_dims, toy_features


def test_projects_each_side_with_its_own_map():
    head = GlobalHead(toy_dims(), embed_dim=5)
    batch = toy_batch()
    features = toy_features(batch)
    out = head(features, batch)
    torch.testing.assert_close(out.image, head.image_projection(features["image.pooled"]))
    torch.testing.assert_close(out.text, head.text_projection(features["text.query.pooled"]))
    assert head.dim == 5


def test_without_a_width_features_are_compared_as_they_are():
    batch = toy_batch()
    features = toy_features(batch)
    out = GlobalHead(toy_dims(), image="fused")(features, batch)
    assert torch.equal(out.image, features["fused"])


@pytest.mark.parametrize("wrong", [{"embed_dim": 0}, {"weight": 0.0}, {"weight": -1.0}, {"weight": float("nan")}])
def test_sizes_must_be_positive(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive"):
        GlobalHead(toy_dims(), **wrong)


@pytest.mark.parametrize(("project", "mapped", "left"), [("text", "text", "image"), ("image", "image", "text")])
def test_one_side_alone_may_be_mapped(project, mapped, left):
    head = GlobalHead(toy_dims() | {f"{mapped}.wide": 40}, embed_dim=16, project=project, **{mapped: f"{mapped}.wide"})
    assert isinstance(getattr(head, f"{left}_projection"), torch.nn.Identity)
    assert getattr(head, f"{mapped}_projection").weight.shape == (16, 40)
    assert head.dim == 16


def test_the_side_without_a_map_must_have_the_width():
    with pytest.raises(ValueError, match=r"16 wide and text\.query\.pooled 8: set embed_dim, and project"):
        GlobalHead(toy_dims(), embed_dim=8, project="text")
