import pytest
import torch

from tbpsbench.backbones.bert import BERT, convert_bert, masked_mean
from tbpsbench.errors import CheckpointError, RegistryError
from tbpsbench.registry import TEXT_ENCODERS
from tbpsbench.types import Tokens

ARCH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 20,
    "vocab_size": 100,
}


@pytest.fixture
def tokens():
    ids = torch.randint(1, 100, (3, 12))
    mask = torch.arange(12) < torch.tensor([12, 7, 2])[:, None]
    return Tokens(ids * mask, mask)


def theirs(**changes):
    """transformers' own model with weights large enough that a wrong key shows."""
    from transformers import BertConfig, BertForMaskedLM

    model = BertForMaskedLM(BertConfig(**{**ARCH, **changes}, attn_implementation="eager")).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def run(model, tokens):
    return model.bert(input_ids=tokens.ids, attention_mask=tokens.mask.long(), output_attentions=True)


def test_shapes(tokens):
    bert = BERT(ARCH).eval()
    encoded = bert(tokens)
    assert (bert.dim, bert.max_length) == (32, 20)
    assert encoded.tokens_BLD.shape == (3, 12, 32)
    assert encoded.pooled_BD.shape == (3, 32)
    assert encoded.mask_BL is tokens.mask
    assert encoded.prefix == 1
    assert encoded.attention_BLL is None


def test_folder_gives_transformers_tokens_and_attention(tmp_path, tokens):
    model = theirs()
    model.save_pretrained(tmp_path)
    bert = BERT(ARCH, pretrained=str(tmp_path)).eval()
    encoded, expected = bert(tokens, need_attention=True), run(model, tokens)
    assert torch.allclose(
        encoded.tokens_BLD[tokens.mask], expected.last_hidden_state[tokens.mask], rtol=1e-5, atol=1e-5
    )
    assert torch.allclose(encoded.attention_BLL, expected.attentions[-1].mean(1), atol=1e-6)
    assert torch.equal(encoded.tokens_BLD, bert(tokens).tokens_BLD)


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("old_norms", [False, True])
def test_file_with_and_without_prefix_and_with_old_names(tmp_path, tokens, prefix, old_norms):
    model = theirs()
    state = {prefix + key: value for key, value in model.bert.state_dict().items()}
    state["cls.predictions.bias"] = torch.zeros(100)
    if old_norms:
        for new, old in (("weight", "gamma"), ("bias", "beta")):
            state = {key.replace(f"LayerNorm.{new}", f"LayerNorm.{old}"): value for key, value in state.items()}
    torch.save(state, tmp_path / "bert.bin")
    bert = BERT(ARCH, pretrained=str(tmp_path / "bert.bin")).eval()
    expected = run(model, tokens).last_hidden_state
    assert torch.allclose(bert(tokens).tokens_BLD[tokens.mask], expected[tokens.mask], rtol=1e-5, atol=1e-5)
    assert bert.load_report.ignored == ("cls.predictions.bias",)


def test_padding_does_not_change_real_tokens(tokens):
    bert = BERT(ARCH).eval()
    short = Tokens(tokens.ids[1:2, :7], tokens.mask[1:2, :7])
    assert torch.allclose(bert(tokens).tokens_BLD[1, :7], bert(short).tokens_BLD[0], atol=1e-5)
    other = Tokens(torch.where(tokens.mask, tokens.ids, 55), tokens.mask)
    assert torch.allclose(bert(tokens).pooled_BD, bert(other).pooled_BD, atol=1e-6)


def test_attention_rows_sum_to_one_and_skip_padding(tokens):
    attention = BERT(ARCH).eval()(tokens, need_attention=True).attention_BLL
    assert torch.allclose(attention.sum(-1), torch.ones(3, 12), atol=1e-6)
    assert attention[1, :, 7:].abs().max() == 0


def test_pooled_is_cls_or_mean_over_real_tokens(tokens):
    cls = BERT(ARCH).eval()(tokens)
    assert torch.equal(cls.pooled_BD, cls.tokens_BLD[:, 0])
    mean = BERT(ARCH, pooling="mean").eval()(tokens)
    expected = torch.stack([row[:count].mean(0) for row, count in zip(mean.tokens_BLD, (12, 7, 2), strict=True)])
    assert torch.allclose(mean.pooled_BD, expected, atol=1e-6)


def test_mean_of_a_text_without_tokens_is_zero():
    assert masked_mean(torch.ones(1, 3, 2), torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0.0, 0.0]]


def test_vocabulary_of_the_tokenizer_overrides_the_archs():
    bert = BERT(ARCH, vocab_size=37)
    assert bert.bert.embeddings.word_embeddings.weight.shape == (37, 32)


def test_same_seed_same_weights():
    torch.manual_seed(3)
    first = BERT(ARCH).state_dict()
    torch.manual_seed(3)
    second = BERT(ARCH).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_dropout_acts_in_training_only(tokens):
    bert = BERT(ARCH, dropout=0.5).eval()
    assert torch.equal(bert(tokens).pooled_BD, bert(tokens).pooled_BD)
    bert.train()
    assert not torch.equal(bert(tokens).pooled_BD, bert(tokens).pooled_BD)
    off = BERT(ARCH, dropout=0.0).train()
    assert torch.equal(off(tokens).pooled_BD, off(tokens).pooled_BD)


def test_every_parameter_learns(tokens):
    bert = BERT(ARCH)
    bert(tokens).tokens_BLD.square().sum().backward()
    assert [name for name, p in bert.named_parameters() if p.grad is None] == []


def test_initialisation_by_a_runner_leaves_the_weights_alone():
    """mmengine's Runner calls init_weights on the whole model, and transformers' models have a method of that name."""
    from mmengine.logging import MMLogger
    from mmengine.model import BaseModule

    class Model(BaseModule):
        def __init__(self):
            super().__init__()
            self.encoder = BERT(ARCH)

    model = Model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    # It writes to the newest logger, and that of an earlier run loses its file when submitit is imported.
    MMLogger.get_instance("initialisation of BERT")
    model.init_weights()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_text_longer_than_the_positions_is_refused():
    with pytest.raises(ValueError, match="21 tokens, but BERT has 20"):
        BERT(ARCH)(Tokens(torch.ones(1, 21, dtype=torch.long), torch.ones(1, 21, dtype=torch.bool)))


def test_incomplete_weights_are_refused(tmp_path):
    state = theirs().bert.state_dict()
    del state["encoder.layer.1.output.dense.bias"]
    state["encoder.layer.2.output.dense.bias"] = torch.zeros(32)
    torch.save(state, tmp_path / "bert.bin")
    with pytest.raises(CheckpointError) as caught:
        BERT(ARCH, pretrained=str(tmp_path / "bert.bin"))
    assert "encoder.layer.1.output.dense.bias" in str(caught.value)
    assert "encoder.layer.2.output.dense.bias" in str(caught.value)


def test_weights_of_another_vocabulary_are_refused_with_both_shapes(tmp_path):
    theirs().save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"word_embeddings.weight: \[100, 32\] in the file, \[90, 32\] in the model"
    ):
        BERT(ARCH, vocab_size=90, pretrained=str(tmp_path))


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("bert-huge", "arch 'bert-huge' is unknown"),
        ({"hidden_size": 32}, "a dict with hidden_size"),
        ({**ARCH, "layers": 3}, "optionally max_position"),
        ({**ARCH, "num_attention_heads": 5}, "not divisible"),
    ],
)
def test_impossible_arch_is_refused(arch, message):
    with pytest.raises(ValueError, match=message):
        BERT(arch)


def test_the_registry_knows_the_choices():
    with pytest.raises(RegistryError, match=r"BERT\.pooling is 'max'"):
        TEXT_ENCODERS.build({"type": "BERT", "arch": ARCH, "pooling": "max"})


def test_only_the_end_of_a_name_is_rewritten():
    assert list(convert_bert({"bert.a.LayerNorm.gamma": torch.ones(1), "gamma": torch.ones(1)})) == [
        "a.LayerNorm.weight",
        "gamma",
    ]


@pytest.mark.parametrize("changes", [{"num_attention_heads": 2}, {"hidden_act": "relu"}])
def test_what_shows_in_no_shape_is_read_from_the_config_beside_the_weights(tmp_path, changes):
    theirs(**changes).save_pretrained(tmp_path)
    (key,) = changes
    with pytest.raises((CheckpointError, RegistryError), match=f"config.json: its weights were trained with {key}"):
        BERT(arch=ARCH, pretrained=str(tmp_path))
    if key == "num_attention_heads":
        BERT(arch={**ARCH, **changes}, pretrained=str(tmp_path))
