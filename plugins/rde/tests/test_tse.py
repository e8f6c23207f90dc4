"""TSE: which tokens it selects, what it pools, and what padding and cutting may change."""

import pytest
import torch
from tbpsbench_rde.selection import count_selected, select_patches, select_words
from tbpsbench_rde.token_embedding import TokenEmbedding
from tbpsbench_rde.tse import TSE

from tbpsbench import registry, testing
from tbpsbench.errors import RegistryError
from tbpsbench.types import Features

SMALL = {"type": "TSE", "dim": 8, "text_length": 9}
MODES = [(bn, padding) for bn in ("frozen", "normal") for padding in ("published", "ignored")]


def head(**changes):
    torch.manual_seed(0)
    return registry.HEADS.build({**SMALL, **changes}, "head", {"dims": testing.toy_dims()})


@pytest.mark.parametrize(("train_bn", "padding"), MODES)
@pytest.mark.parametrize("asking", ["last", "first"])
def test_keeps_the_promises_of_a_head(train_bn, padding, asking):
    testing.check_head({**SMALL, "train_bn": train_bn, "padding": padding, "asking": asking})


def test_published_shares():
    assert count_selected(192, 0.3) == 57
    assert count_selected(75, 0.3) == 22
    assert count_selected(166, 0.3) == 49
    assert count_selected(2, 0.3) == 1


def test_patches_are_those_that_cls_attends_to_most_and_never_cls():
    attention = torch.zeros(2, 5, 5)
    attention[0, 0] = torch.tensor([0.6, 0.1, 0.2, 0.0, 0.1])
    attention[1, 0] = torch.tensor([0.6, 0.0, 0.0, 0.3, 0.1])
    assert select_patches(attention, 2)[:, 0].tolist() == [2, 3]
    assert select_patches(attention, 9).shape == (2, 4)


def test_words_come_first_then_padding_and_the_ends_never_count():
    attention = torch.zeros(3, 6, 6)
    attention[0, 4] = torch.tensor([0.5, 0.1, 0.2, 0.05, 0.15, 0.0])
    attention[1, 2] = torch.tensor([0.5, 0.2, 0.3, 0.0, 0.0, 0.0])
    attention[2, 1] = torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0, 0.0])
    real = torch.arange(6) < torch.tensor([5, 3, 2])[:, None]
    positions, found = select_words(attention, real, torch.tensor([4, 2, 1]), 4)
    assert positions[0, :3].tolist() == [2, 1, 3]
    assert positions[0, 3] == 5
    assert found[0].tolist() == [True, True, True, False]
    assert positions[1, 0] == 1
    assert set(positions[1, 1:].tolist()) == {3, 4, 5}
    assert found[1].tolist() == [True, False, False, False]
    # A text without a word: something must be pooled all the same.
    assert found[2].tolist() == [True, False, False, False]


def test_a_word_without_any_attention_is_still_a_word():
    attention = torch.zeros(1, 5, 5)
    positions, found = select_words(attention, torch.arange(5)[None] < 4, torch.tensor([3]), 3)
    assert set(positions[0, :2].tolist()) == {1, 2}
    assert positions[0, 2] == 4
    assert found[0].tolist() == [True, True, False]


def test_embedding_is_the_maximum_over_two_maps_of_normalised_tokens():
    part = TokenEmbedding(6, 4, frozen=True)
    x = torch.randn(2, 3, 6)
    unit = x / x.norm(dim=-1, keepdim=True)
    expected = part.fc(unit) + part.out((part.hidden(unit) / (1 + 1e-5) ** 0.5).relu())
    torch.testing.assert_close(part(x), expected.amax(dim=1))
    pooled = torch.tensor([[True, False, True], [True, False, False]])
    one = part(x, pooled)
    torch.testing.assert_close(one[0], expected[0, [0, 2]].amax(dim=0))
    torch.testing.assert_close(one[1], expected[1, 0])
    torch.testing.assert_close(part(x, pooled, norm_all=False), one)


def test_ignored_padding_stays_out_of_batch_norm_and_published_padding_enters():
    part, x = TokenEmbedding(6, 4, frozen=False), torch.randn(2, 3, 6)
    # Batch norm brings six rows to at most sqrt(5): no ReLU is closed, behind which the padding would not show.
    torch.nn.init.constant_(part.norm.bias, 3.0)
    pooled = torch.tensor([[True, False, True], [True, False, False]])
    changed = torch.where(pooled[..., None], x, torch.randn(2, 3, 6))
    assert torch.equal(part(x, pooled, norm_all=False), part(changed, pooled, norm_all=False))
    assert not torch.allclose(part(x, pooled), part(changed, pooled))


@pytest.mark.parametrize(("train_bn", "padding"), MODES)
def test_cutting_texts_changes_nothing_where_the_model_may_cut(train_bn, padding):
    part, batch = head(train_bn=train_bn, padding=padding), testing.toy_batch()
    batch.texts["query"].mask[:, 7:] = False
    batch.texts["query"].ids[:, 7:] = 0
    features = testing.toy_features(batch)
    assert part.reads_padding == (("query",) if (train_bn, padding) == ("normal", "published") else ())
    cut = {"tokens": (slice(None), slice(7)), "mask": (slice(None), slice(7))}
    cut["attention"] = (slice(None), slice(7), slice(7))
    shown = {f"text.query.{name}": features[f"text.query.{name}"][where] for name, where in cut.items()}
    whole = part.eval()(features, batch).text
    torch.testing.assert_close(part(Features({**features.tensors, **shown}), batch).text, whole)
    if not part.reads_padding:
        whole = part.train()(features, batch).text
        torch.testing.assert_close(part(Features({**features.tensors, **shown}), batch).text, whole)


def test_id_zero_within_a_text_is_padding_only_as_published():
    batch = testing.toy_batch()
    features = testing.toy_features(batch)
    row = batch.texts["query"].mask.sum(1).argmax()
    features["text.query.attention"][row, -1, 3] = 1.0  # the word that counts most
    before = [head(padding=p, ratio=0.2).eval()(features, batch).text[row] for p in ("published", "ignored")]
    batch.texts["query"].ids[row, 3] = 0  # "!" in CLIP's vocabulary
    after = [head(padding=p, ratio=0.2).eval()(features, batch).text[row] for p in ("published", "ignored")]
    assert not torch.allclose(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_attention_gets_no_gradient():
    batch = testing.toy_batch()
    features = testing.toy_features(batch)
    for name in ("image.attention", "text.query.attention"):
        features[name] = features[name].clone().requires_grad_()
    out = head()(features, batch)
    (out.image.sum() + out.text.sum()).backward()
    assert features["image.attention"].grad is None
    assert features["text.query.attention"].grad is None
    assert features["text.query.tokens"].grad.abs().sum() > 0


@pytest.mark.parametrize(
    "wrong", [{"dim": 7}, {"ratio": 0.0}, {"text_length": 2}, {"weight": 0.0}, {"weight": float("nan")}]
)
def test_sizes_must_make_sense(wrong):
    with pytest.raises(RegistryError, match=r"must be even, ratio .* in 0\.\.1"):
        head(**wrong)


def test_is_what_the_plug_in_registers():
    assert "TSE" in registry.HEADS.names()
    assert registry.HEADS.entry("TSE").cls is TSE
    assert registry.HEADS.entry("TSE").plugin == "rde"
