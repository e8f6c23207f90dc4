import pytest
import torch
from golden_files import Golden, assert_golden, caption_mask, clip_towers, each_golden

from tbpsbench.backbones.clip_text import CLIPText
from tbpsbench.backbones.positional import stretch_text_positions
from tbpsbench.errors import CheckpointError
from tbpsbench.registry import TEXT_ENCODERS
from tbpsbench.types import Tokens

SMALL = {"embed_dim": 24, "width": 16, "layers": 2, "heads": 2, "vocab_size": 50}


def texts(length, *lengths):
    """Random texts: 48 starts, 49 ends, 0 pads."""
    ids = torch.randint(1, 48, (len(lengths), length))
    ids[:, 0] = 48
    for row, end in enumerate(lengths):
        ids[row, end - 1] = 49
        ids[row, end:] = 0
    return Tokens(ids, torch.arange(length) < torch.tensor(lengths)[:, None])


def released(golden, tmp_path):
    """The tower of a golden file, its weights read from a file that names them as OpenAI does; and the captions."""
    torch.save(golden.weights("base_model."), tmp_path / "clip.pt")
    _, section = clip_towers(golden)
    ids = golden.tensor("caption_ids")
    encoder = TEXT_ENCODERS.build({**section, "pretrained": str(tmp_path / "clip.pt")}).eval()
    return encoder, Tokens(ids, caption_mask(ids))


@pytest.mark.parametrize("need_attention", [False, True])
@each_golden("irra")
def test_golden_irra_text_tokens(path, tmp_path, need_attention):
    golden = Golden(path)
    encoder, tokens = released(golden, tmp_path)
    assert_golden(encoder(tokens, need_attention=need_attention).tokens_BLD, golden["text_tokens"])


@each_golden("rde")
def test_golden_rde_text_embedding(path, tmp_path):
    golden = Golden(path)
    encoder, tokens = released(golden, tmp_path)
    assert_golden(encoder(tokens).pooled_BD, golden["eval/text_bge"])


def test_shapes():
    encoder, tokens = CLIPText(SMALL).eval(), texts(77, 77, 9, 3)
    encoded = encoder(tokens)
    assert (encoder.dim, encoder.max_length) == (24, 77)
    assert encoded.tokens_BLD.shape == (3, 77, 24)
    assert encoded.pooled_BD.shape == (3, 24)
    assert encoded.mask_BL is tokens.mask
    assert encoded.prefix == 1
    assert encoded.attention_BLL is None


def test_named_arch_is_built_for_248_tokens():
    encoder = TEXT_ENCODERS.build({"type": "CLIPText", "arch": "ViT-S-32-alt", "context_length": 248, "vocab_size": 60})
    assert encoder.dim == 256
    assert encoder.max_length == 248
    assert encoder.text.token_embedding.weight.shape == (60, 256)


def test_pooled_is_the_end_of_text_token():
    encoded = CLIPText(SMALL).eval()(texts(20, 20, 9, 3))
    for row, end in enumerate((19, 8, 2)):
        assert torch.equal(encoded.pooled_BD[row], encoded.tokens_BLD[row, end])


def test_pooled_is_the_end_of_text_of_any_tokenizer():
    from tbpsbench.data.tokenizers.wordpiece import WordPiece

    captions = ["a zebra in a red coat", "zebra", "a coat"]
    tokenizer = WordPiece(texts=captions * 2, max_length=12)
    tokens = tokenizer(captions)
    _, zebra, end = tokenizer.encode("zebra")
    assert zebra > end, "the end of a text does not have the largest id"
    encoded = CLIPText({**SMALL, "vocab_size": tokenizer.vocab_size}).eval()(tokens)
    for row, caption in enumerate(captions):
        end = len(tokenizer.encode(caption)) - 1
        assert tokenizer.tokens([tokens.ids[row, end]]) == ["[SEP]"]
        assert torch.equal(encoded.pooled_BD[row], encoded.tokens_BLD[row, end])


def test_with_clips_own_tokens_it_is_the_token_of_the_largest_id():
    from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE

    tokens = CLIPBPE(context_length=16)(["a zebra!", "red !(", "", "one two three " * 9, "jekyll <end_of_text>"])
    encoded = CLIPText({**SMALL, "vocab_size": 49408}).eval()(tokens)
    assert torch.equal(encoded.pooled_BD, encoded.tokens_BLD[torch.arange(5), tokens.ids.argmax(dim=-1)])


@pytest.mark.parametrize("need_attention", [False, True])
def test_cutting_the_padding_changes_nothing(need_attention):
    encoder, tokens = CLIPText(SMALL).eval(), texts(77, 12, 9, 3)
    whole = encoder(tokens, need_attention=need_attention)
    cut = encoder(Tokens(tokens.ids[:, :12], tokens.mask[:, :12]), need_attention=need_attention)
    assert torch.allclose(whole.tokens_BLD[:, :12], cut.tokens_BLD, atol=1e-5)
    assert torch.allclose(whole.pooled_BD, cut.pooled_BD, atol=1e-5)


def test_a_word_does_not_see_later_words():
    encoder, tokens = CLIPText(SMALL).eval(), texts(10, 10)
    changed = tokens.ids.clone()
    changed[0, 6] = changed[0, 6] % 46 + 1
    before, after = encoder(tokens).tokens_BLD, encoder(Tokens(changed, tokens.mask)).tokens_BLD
    assert torch.allclose(before[:, :6], after[:, :6], atol=1e-6)
    assert not torch.allclose(before[:, 6:], after[:, 6:], atol=1e-3)


def test_attention_rows_sum_to_one_and_do_not_look_ahead():
    encoder, tokens = CLIPText(SMALL).eval(), texts(10, 10, 4)
    encoded = encoder(tokens, need_attention=True)
    assert torch.allclose(encoded.attention_BLL.sum(-1), torch.ones(2, 10), atol=1e-6)
    assert encoded.attention_BLL.triu(1).abs().max() == 0
    assert torch.allclose(encoded.tokens_BLD, encoder(tokens).tokens_BLD, atol=1e-6)


def test_pretrained_positions_are_stretched_to_248(tmp_path):
    short = CLIPText(SMALL).eval()
    torch.save(short.text.state_dict(), tmp_path / "clip.pt")
    long = CLIPText(SMALL, context_length=248, pretrained=str(tmp_path / "clip.pt")).eval()
    assert torch.equal(long.text.positional_embedding, stretch_text_positions(short.text.positional_embedding))
    brief = texts(20, 20, 5)
    assert torch.allclose(long(brief).tokens_BLD, short(brief).tokens_BLD, atol=1e-6)
    wordy = long(texts(248, 248, 100, 30))
    assert wordy.tokens_BLD.shape == (3, 248, 24)
    assert torch.equal(wordy.pooled_BD[1], wordy.tokens_BLD[1, 99])


def test_context_beyond_the_stretched_positions_is_refused(tmp_path):
    torch.save(CLIPText(SMALL).text.state_dict(), tmp_path / "clip.pt")
    with pytest.raises(CheckpointError, match="stretched to 248, but context_length is 300"):
        CLIPText(SMALL, context_length=300, pretrained=str(tmp_path / "clip.pt"))


def test_text_longer_than_the_positions_is_refused():
    with pytest.raises(ValueError, match="78 tokens, but CLIPText has 77 positions"):
        CLIPText(SMALL)(texts(78, 78))


def test_every_parameter_learns():
    encoder = CLIPText(SMALL)
    encoder(texts(77, 77, 9)).tokens_BLD.square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


def test_same_seed_same_weights():
    torch.manual_seed(3)
    first = CLIPText(SMALL).state_dict()
    torch.manual_seed(3)
    second = CLIPText(SMALL).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_without_gradients_nothing_is_recorded():
    encoder = CLIPText(SMALL).eval()
    with torch.no_grad():
        assert not encoder(texts(12, 12, 4)).pooled_BD.requires_grad


def test_weights_of_another_vocabulary_are_refused_with_both_shapes(tmp_path):
    torch.save(CLIPText(SMALL).text.state_dict(), tmp_path / "clip.pt")
    with pytest.raises(CheckpointError, match=r"\[50, 16\] in the file, \[51, 16\] in the model"):
        CLIPText(SMALL, vocab_size=51, pretrained=str(tmp_path / "clip.pt"))


def test_kept_positions_give_what_the_unstretched_tower_gives_to_the_bit(tmp_path):
    """Rows 0 to 19 are kept; row 20 + 4 j is the old row 20 + j, so the 21st is the same, too, and no further one."""
    short = CLIPText(SMALL).eval()
    torch.nn.init.normal_(short.text.positional_embedding)
    torch.save(short.text.state_dict(), tmp_path / "clip.pt")
    long = CLIPText(SMALL, context_length=248, pretrained=str(tmp_path / "clip.pt")).eval()
    assert torch.equal(long.text.positional_embedding[:20], short.text.positional_embedding[:20])
    assert torch.equal(long.text.positional_embedding[20::4], short.text.positional_embedding[20:])
    for length in (3, 20, 21):
        tokens = texts(length, length, 3)
        assert torch.equal(long(tokens).tokens_BLD, short(tokens).tokens_BLD)
    tokens = texts(22, 22)
    assert not torch.allclose(long(tokens).pooled_BD, short(tokens).pooled_BD, atol=1e-3)


def test_positions_of_a_shorter_context_are_the_first_of_the_stretched(tmp_path):
    torch.save(CLIPText(SMALL).text.state_dict(), tmp_path / "clip.pt")
    whole, part = (CLIPText(SMALL, context_length=n, pretrained=str(tmp_path / "clip.pt")) for n in (248, 100))
    assert torch.equal(part.text.positional_embedding, whole.text.positional_embedding[:100])
