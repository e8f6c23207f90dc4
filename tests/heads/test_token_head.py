import pytest
import torch

from tbpsbench.heads.token_head import TokenHead
from tbpsbench.testing import check_head, toy_batch, toy_dims, toy_features
from tbpsbench.types import Embedding


def test_keeps_the_contract_of_heads():
    check_head({"type": "TokenHead", "embed_dim": 6})


def test_projects_tokens_and_keeps_the_mask_of_the_text():
    head, batch = TokenHead(toy_dims(), embed_dim=6), toy_batch()
    features = toy_features(batch)
    out = head(features, batch)
    torch.testing.assert_close(out.image, head.image_projection(features["image.patches"]))
    torch.testing.assert_close(out.text, head.text_projection(features["text.query.tokens"]))
    assert out.image_mask is None
    assert torch.equal(out.text_mask, features["text.query.mask"])


def test_the_score_is_the_mean_of_each_words_best_patch():
    head = TokenHead(toy_dims(), embed_dim=2)
    image = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [-1.0, 0.0]]])
    text = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [9.0, 9.0]]])
    embedding = Embedding(image, text, text_mask=torch.tensor([[True, True, False]]))
    text_side, image_side = head.compared(embedding, "text"), head.compared(embedding, "image")
    assert head.score(text_side, image_side).tolist() == [[1.0, -0.5]]


def test_padding_changes_nothing():
    head = TokenHead(toy_dims(), embed_dim=6, direction="both").eval()
    batch = toy_batch()
    out = head(toy_features(batch), batch)
    text, image = head.compared(out, "text"), head.compared(out, "image")
    torch.testing.assert_close(head.score(text.padded(text.values.shape[1] + 5), image), head.score(text, image))
    torch.testing.assert_close(
        head.first_stage(text.padded(text.values.shape[1] + 5), "text"), head.first_stage(text, "text")
    )


@pytest.mark.parametrize("wrong", [{"embed_dim": 0}, {"weight": 0.0}, {"weight": float("nan")}])
def test_sizes_must_be_positive(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive"):
        TokenHead(toy_dims(), **wrong)
