"""Checkpoints of older forms and bare weights: refused with the command that converts them, and converted."""

import json
from dataclasses import replace

import pytest
import torch
from older_form import write_older
from safetensors.torch import save_file

from tbpsbench import load_system
from tbpsbench.config.load import load_config
from tbpsbench.data.tokenizers.vocabulary import SPECIAL
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.engine.guard import run_hashes
from tbpsbench.engine.run import build_run
from tbpsbench.errors import CheckpointError
from tbpsbench.system_files import write_checkpoint
from tbpsbench.weights.checkpoint import FORMAT, KEY, PARTS

CAPTIONS = ["a woman in a red coat", "a man"]
WORDPIECE = [
    "model.text_encoder=dict(type='BERT', arch=dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, "
    "intermediate_size=32), vocab_size='from_data:vocab_size')",
    "data.tokenizer=dict(type='WordPiece', vocab_size=300, max_length=48)",
]


@pytest.fixture
def current(demo, tmp_path):
    """The demo's config with overrides, its untrained system and its checkpoint."""
    options = [*demo[2:], *WORDPIECE, "data.num_workers=0"]
    system = build_run(load_config(demo[0], options)).system
    write_checkpoint(system, tmp_path / "new.pth")
    return [demo[0], options], system, tmp_path / "new.pth"


@pytest.fixture
def older(current, tmp_path):
    """The same checkpoint as it was written before checkpoints held their tokenizer."""
    return write_older(current[2], tmp_path / "old.pth", data=run_hashes(current[1]))


def test_an_older_checkpoint_is_refused_and_converted_to_the_same_system(older, current, tool, tmp_path):
    (config, options), system, _ = current
    with pytest.raises(CheckpointError, match=r"older form.*tools/convert_checkpoint.py CONFIG .*old.pth OUT.pth"):
        load_system(older)
    code, out, err = tool("convert_checkpoint", config, older, tmp_path / "out.pth", "--cfg-options", *options)
    assert code == 0, err
    assert "out.pth" in out
    converted = load_system(tmp_path / "out.pth")
    assert torch.equal(converted.encode_text(CAPTIONS), system.encode_text(CAPTIONS))
    assert converted.fingerprint == system.fingerprint
    assert converted.trained_on == system.trained_on
    assert converted.notes["converted"]["complete"] is True


def test_bare_weights_are_refused_and_converted(current, tool, tmp_path):
    (config, options), system, _ = current
    save_file(dict(system.model.state_dict()), tmp_path / "bare.safetensors")
    with pytest.raises(CheckpointError, match="holds weights alone"):
        load_system(tmp_path / "bare.safetensors")
    arguments = [config, tmp_path / "bare.safetensors", tmp_path / "out.pth", "--cfg-options", *options]
    code, _, err = tool("convert_checkpoint", *arguments)
    assert code == 0, err
    assert load_system(tmp_path / "out.pth").fingerprint == system.fingerprint


def test_a_form_of_the_future_and_a_damaged_description_are_refused(current, tmp_path):
    content = torch.load(current[2], weights_only=True)
    for own, message in (
        ({**content[KEY], "format": FORMAT + 1}, "newer tbpsbench"),
        ({key: value for key, value in content[KEY].items() if key != "roles"}, "lacks roles"),
        ({**content[KEY], "config": "{"}, "description of its system is damaged"),
        ({**content[KEY], "preprocess": {"size": 3}}, "description of its system is damaged"),
        ({**content[KEY], "tokenizer": {}}, "description of its system is damaged"),
    ):
        torch.save({**content, KEY: own}, tmp_path / "wrong.pth")
        with pytest.raises(CheckpointError, match=message):
            load_system(tmp_path / "wrong.pth")


def test_a_description_is_plain_data_without_any_caption(current):
    own = torch.load(current[2], weights_only=True)[KEY]
    assert set(PARTS) <= set(own)
    text = json.dumps({key: value for key, value in own.items() if key != "tokenizer"})
    assert "walking" not in text
    assert own["tokenizer"]["files"]["vocab.txt"].startswith("[PAD]\n[UNK]\n")


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_a_checkpoint_saved_from_a_compiled_model_is_the_same_system(current, tmp_path, prefix):
    content = torch.load(current[2], weights_only=True)
    tower = "image_encoder."
    weights = {
        prefix + (key.replace(tower, f"{tower}_orig_mod.") if key.startswith(tower) else key): value
        for key, value in content["state_dict"].items()
    }
    torch.save({**content, "state_dict": weights}, tmp_path / "compiled.pth")
    assert load_system(tmp_path / "compiled.pth").fingerprint == current[1].fingerprint


def test_a_vocabulary_of_odd_separators_comes_back_character_by_character(current, tmp_path):
    odd = ["a\u2028b", "\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "c\rd", "\r", "\ufeff", "red"]
    files = {"vocab.txt": "\n".join([*SPECIAL, *odd]) + "\n"}
    system = replace(current[1], tokenizer=WordPiece(files=files, max_length=48))
    write_checkpoint(system, tmp_path / "odd.pth")
    again = load_system(tmp_path / "odd.pth")
    saved = load_system(again.save(tmp_path / "saved"))
    for found in (again, saved):
        assert found.tokenizer.files() == files
        assert found.fingerprint == system.fingerprint
    assert (tmp_path / "saved" / "vocab.txt").read_bytes() == files["vocab.txt"].encode()
