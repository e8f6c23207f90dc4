"""Text towers from weights: stretched to long captions, a published one that is fine-tuned or stays as it is."""

import shutil
from dataclasses import replace

import pytest
import torch
from runs import train_in
from small_models import VIT_AND_BERT, tiny_clip_text

from tbpsbench.annotations import write_annotations
from tbpsbench.config.load import load_config
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
from tbpsbench.system import load_system
from tbpsbench.weights.files import read_checkpoint

LENGTH = 248
START = "There is somebody in the street. " * 14
QUICK = ["schedule.max_epochs=1", "schedule.warmup_epochs=0", "evaluation.interval=1"]


@pytest.fixture
def wordy(mini, tmp_path):
    """A tiny MiniPEDES whose captions go on for longer than 77 tokens; what tells persons apart stands at their end."""
    root = tmp_path / "MiniPEDES"
    shutil.copytree(mini / "tiny-0", root / "tiny-0")
    human = MiniPEDES(str(root), size="tiny").load()
    records = [
        replace(record, captions=tuple(replace(caption, text=f"{START} {caption.text}") for caption in record.captions))
        for record in human.records
    ]
    header = human.header
    write_annotations(
        human.path, human.dataset, "human", records, images=header["images"], made_from=header["made_from"]
    )
    return root


def test_long_captions_are_trained_and_searched_with_stretched_positions(wordy, demo, tmp_path):
    short = tiny_clip_text()
    torch.save(short.text.state_dict(), tmp_path / "clip.pt")
    options = [
        f"data.dataset.root={wordy}",
        f"data.tokenizer.context_length={LENGTH}",
        f"model.text_encoder.context_length={LENGTH}",
        f"model.text_encoder.pretrained={tmp_path / 'clip.pt'}",
    ]
    training, record = train_in(tmp_path / "run", demo, *QUICK, *options)
    positions_LD = training.run.model.text_encoder.text.positional_embedding
    assert len(positions_LD) == LENGTH
    lengths = [
        len(CLIPBPE(context_length=LENGTH).encode(c.text))
        for c in MiniPEDES(str(wordy), size="tiny").load().records[0].captions
    ]
    assert min(lengths) > 90
    before_LD = torch.load(tmp_path / "clip.pt", weights_only=True)["positional_embedding"]
    assert not torch.equal(positions_LD[80], before_LD[35]), "the 81st position has not learnt"
    assert record["results"]["standard"]["queries"] > 0
    system = load_system(tmp_path / "run" / "best.pth")
    told = system.encode_text([f"{START} A man in red.", f"{START} A woman in blue."])
    assert not torch.allclose(told[0], told[1], atol=1e-4)


def test_at_77_tokens_the_end_of_a_long_caption_is_not_seen(wordy, demo, tmp_path):
    options = [f"data.dataset.root={wordy}", "data.tokenizer.context_length=77", "model.text_encoder.context_length=77"]
    train_in(tmp_path / "run", demo, *QUICK, *options)
    system = load_system(tmp_path / "run" / "best.pth")
    told = system.encode_text([f"{START} A man in red.", f"{START} A woman in blue."])
    assert torch.allclose(told[0], told[1], atol=1e-6)


@pytest.fixture
def published(tmp_path):
    """A folder as a published BERT comes in, tiny; what its layers hold, and the vocabulary of the data."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "published"
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(**sizes, vocab_size=len(tokens))).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    arch = f"dict({', '.join(f'{key}={value}' for key, value in sizes.items())}, vocab_size={len(tokens)})"
    return folder, [
        f"model.text_encoder.arch={arch}",
        f"model.text_encoder.pretrained={folder}",
        f"data.tokenizer.pretrained={folder}",
    ]


@pytest.mark.parametrize("locked", [True, False])
def test_locked_tower_stays_as_published_and_a_fine_tuned_one_does_not(published, mini, tmp_path, locked):
    folder, options = published
    config = f"configs/mini/two-tower-minilm{'-locked' if locked else ''}_mini-pedes.py"
    small = [option for option in VIT_AND_BERT if "text_encoder" not in option]
    size = [
        f"data.dataset.root={mini}",
        "data.dataset.size=tiny",
        "data.size=(48, 24)",
        "data.batch_size=16",
        "runtime.threads=1",
    ]
    train_in(tmp_path / "run", [config, "--cfg-options", *small, *size], *QUICK, *options)
    trained = read_checkpoint(tmp_path / "run" / "best.pth")["state_dict"]
    bert = {
        key.removeprefix("text_encoder.bert."): value
        for key, value in trained.items()
        if key.startswith("text_encoder.")
    }
    from safetensors.torch import load_file

    given = load_file(folder / "model.safetensors")
    same = [torch.equal(bert[key], given[key]) for key in bert]
    assert all(same) if locked else not any(torch.equal(bert[key], given[key]) for key in bert if "query.weight" in key)
    shutil.rmtree(folder)
    assert load_system(tmp_path / "run" / "best.pth").encode_text(["a man in jeans"]).shape[0] == 1


@pytest.mark.parametrize("name", ["minilm", "minilm-locked"])
def test_shipped_towers_differ_from_the_demo_in_their_texts_alone(name):
    demo, other = (load_config(f"configs/mini/two-tower{n}_mini-pedes.py").values for n in ("", f"-{name}"))
    assert demo["model"]["image_encoder"] == other["model"]["image_encoder"]
    assert demo["model"]["losses"] == other["model"]["losses"]
    assert demo["schedule"] == other["schedule"]
    assert demo["optimizer"] == other["optimizer"]
