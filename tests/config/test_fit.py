"""Parts that do not fit each other: found before data are read, and before a model is built."""

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError

DEMO = "configs/mini/two-tower_mini-pedes.py"
BPE = "data.tokenizer=dict(type='CLIPBPE', context_length={})"
SIZES = "embed_dim=16, width=32, layers=1, heads=2"


def problems(*overrides):
    return {problem.path: str(problem) for problem in check(load_config(DEMO, overrides))}


@pytest.mark.parametrize(
    ("overrides", "place", "message"),
    [
        (["data.size=(96, 64)"], "data.size", "96 x 64, but ViT is built for 128 x 64"),
        (["model.image_encoder.img_size=(64, 128)"], "data.size", "128 x 64, but ViT is built for 64 x 128"),
        (
            [f"model.image_encoder=dict(type='CLIPImage', arch=dict({SIZES}, patch_size=8))"],
            "data.size",
            "CLIPImage is built for 384 x 128",
        ),
        (["data.tokenizer.max_length=65"], "data.tokenizer", "up to 65 tokens, but BERT has 64 positions"),
        (["model.text_encoder.arch.max_position_embeddings=32"], "data.tokenizer", "BERT has 32 positions"),
        (
            ["model.text_encoder=dict(type='CLIPText', arch='ViT-B-16')", BPE.format(78)],
            "data.tokenizer",
            "CLIPBPE makes texts of up to 78 tokens, but CLIPText has 77 positions",
        ),
        (
            [f"model.text_encoder=dict(type='CLIPText', arch=dict({SIZES}), context_length=40)", BPE.format(77)],
            "data.tokenizer",
            "up to 77 tokens, but CLIPText has 40 positions",
        ),
        (
            [f"model.text_encoder=dict(type='CLIPText', arch=dict({SIZES}, context_length=50))", BPE.format(77)],
            "data.tokenizer",
            "CLIPText has 50 positions",
        ),
        (
            ["model.text_encoder=dict(type='BERT', arch=dict(hidden_size=16))"],
            "model.text_encoder",
            "BERT: arch must be one of",
        ),
        (
            ["model.text_encoder=dict(type='CLIPText', arch=dict(width=3))"],
            "model.text_encoder",
            "CLIPText: arch must be",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_both_sizes(overrides, place, message):
    found = problems(*overrides)
    assert message in found.get(place, ""), found
    assert list(found) == [place]


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.size=(64, 32)", "model.image_encoder.img_size=from_data:image_size"],
        ["data.size=[64, 32]", "model.image_encoder.img_size=(64, 32)"],
        ["data.tokenizer.max_length=64"],
        ["model.text_encoder=dict(type='CLIPText', arch='ViT-B-16')", BPE.format(77)],
        ["model.text_encoder=dict(type='CLIPText', arch='ViT-B-16', context_length=248)", BPE.format(200)],
        ["model.text_encoder=dict(type='CLIPText', context_length='from_data:max_length')", BPE.format(99)],
    ],
)
def test_what_fits_or_cannot_be_told_is_no_problem(overrides):
    assert problems(*overrides) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [f"model.text_encoder=dict(type='CLIPText', arch=dict({SIZES}), context_length='from_data:num_train_ids')"],
            "CLIPBPE makes texts of up to 40 tokens, but CLIPText has 12 positions",
        ),
        (
            [f"model.text_encoder=dict(type='CLIPText', arch=dict({SIZES}), vocab_size=30522)"],
            "CLIPBPE has 49408 ids, but CLIPText has embeddings for 30522",
        ),
        (["model.text_encoder.vocab_size=28996"], "CLIPBPE has 49408 ids, but BERT has embeddings for 28996"),
    ],
)
def test_what_only_the_built_parts_know_is_compared_before_training(mini, options, message):
    data = [f"data.dataset.root={mini}", "data.dataset.size=tiny", "data.num_workers=0"]
    config = load_config(DEMO, [*data, BPE.format(40), *options])
    assert check(config) == []
    with pytest.raises(ConfigError, match=message):
        build_run(config)


def test_the_sizes_that_are_told_are_those_of_what_is_built():
    from tbpsbench import registry

    for slot, component, question, built in (
        (registry.IMAGE_ENCODERS, {"type": "ViT", "arch": "tiny", "img_size": (32, 16)}, "image_size", "img_size"),
        (registry.TEXT_ENCODERS, {"type": "CLIPText", "arch": "ViT-S-32-alt"}, "positions", "max_length"),
        (registry.TOKENIZERS, {"type": "CLIPBPE", "context_length": 9}, "longest", "max_length"),
    ):
        entry = slot.entry(component["type"])
        arguments = {key: p.default for key, p in entry.parameters.items()} | component
        assert getattr(entry.cls, question)(arguments) == getattr(slot.build(component), built)
