"""What a plug-in brings works everywhere: roles that this package has not heard of, encoders without attention."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tbpsbench.annotations import write_annotations
from tbpsbench.backbones.base import Encoded, ImageEncoder, TextEncoder
from tbpsbench.captions.base import CaptionSource
from tbpsbench.losses.base import Loss
from tbpsbench.model import roles
from tbpsbench.registry import CAPTION_SOURCES, IMAGE_ENCODERS, LOSSES, TEXT_ENCODERS
from tbpsbench.testing import check_encoder, check_fuser, check_head, check_loss
from tbpsbench.types import Caption

ENCODERS = [
    "model.image_encoder=dict(type='Stripes')",
    "model.text_encoder=dict(type='Bag')",
    "schedule.max_epochs=1",
    "evaluation.selection=last",
    "data.num_workers=0",
]
FUSER = "dict(type='SimpleFuser', text='text.hat.pooled', dim=16, out_dim=16)"
HATS = [f"model.fuser={FUSER}", "model.heads.global.image=fused", "data.descriptions=hats"]
HAIR = [
    "data.captions=with-hair",
    "model.losses.hair=dict(type='InfoNCE', anchor='image.pooled', positive='text.hair.pooled')",
]


class Stripes(ImageEncoder):
    """Means of horizontal stripes; it knows nothing of attention and has no CLS token."""

    dim = 16

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(3, self.dim)

    def forward(self, image_B3HW):
        tokens_BLD = self.project(image_B3HW.mean(3).transpose(1, 2))
        return Encoded(tokens_BLD, tokens_BLD.mean(1))


class Bag(TextEncoder):
    """The mean of word vectors."""

    dim, max_length = 16, 77

    def __init__(self, vocab_size: int = 49408):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, self.dim)

    def forward(self, tokens, *, need_attention=False):
        tokens_BTD = self.embed(tokens.ids)
        real_BT1 = tokens.mask[..., None]
        return Encoded(tokens_BTD, (tokens_BTD * real_BT1).sum(1) / real_BT1.sum(1), mask_BL=tokens.mask)


class WithHair(CaptionSource):
    """The captions of the data set, and what the hair of each person looks like."""

    name, roles = "human", ("query", "hair")

    def load(self, dataset):
        found = dataset.load("human")
        return replace(
            found, records=tuple(replace(r, captions=(*r.captions, text_of(r, "hair"))) for r in found.records)
        )


class ReadsAttention(Loss):
    def __init__(self, attention: str = "image.attention"):
        super().__init__()

    def forward(self, features, batch):
        raise NotImplementedError


def text_of(record, role):
    text = f"{'dark' if record.pid % 2 else 'light'} {role} number {record.pid % 5}"
    return Caption(text, role, record.image_id, "made up", record.split, record.image_id, "attributes")


@pytest.fixture(autouse=True)
def plug_in(monkeypatch):
    """What a plug-in registers and declares when it is imported."""
    monkeypatch.setattr(roles, "_descriptions", dict(roles._descriptions))
    roles.declare("hat", "what is worn on the head")
    IMAGE_ENCODERS.register()(Stripes)
    TEXT_ENCODERS.register()(Bag)
    CAPTION_SOURCES.register("with-hair")(WithHair)
    LOSSES.register(requires=("attention",))(ReadsAttention)
    yield
    IMAGE_ENCODERS.remove("Stripes")
    TEXT_ENCODERS.remove("Bag")
    CAPTION_SOURCES.remove("with-hair")
    LOSSES.remove("ReadsAttention")


@pytest.fixture
def small(demo, mini, tmp_path):
    """The demo's overrides with these encoders, on data that have descriptions of hats."""
    (tmp_path / "data" / "tiny-0").parent.mkdir()
    folder = Path(shutil.copytree(mini / "tiny-0", tmp_path / "data" / "tiny-0"))
    from tbpsbench.data.mini_pedes import MiniPEDES

    human = MiniPEDES(str(folder.parent), size="tiny").load()
    hats = [replace(record, captions=(text_of(record, "hat"),)) for record in human.records]
    write_annotations(folder / "hats.jsonl", human.dataset, "made up", hats, made_from=human.header["made_from"])
    usual = [option for option in demo[2:] if "encoder" not in option and "dataset.root" not in option]
    return [f"data.dataset.root={folder.parent}", *usual, *ENCODERS]


def trained(tool, demo, folder, options):
    code, _, err = tool("train", demo[0], "--work-dir", folder, "--cfg-options", *options)
    assert code == 0, err
    return torch.load(folder / "last.pth", weights_only=True), json.loads((folder / "record/record.json").read_text())


def test_a_caption_source_brings_a_role_of_its_own(tool, demo, small, tmp_path):
    checkpoint, record = trained(tool, demo, tmp_path / "run", [*small, *HAIR])
    assert checkpoint["tbpsbench"]["roles"] == ["hair"]
    assert record["track"] == "dual-encoder"


def test_a_declared_role_is_fused_into_the_gallery(tool, demo, small, tmp_path):
    _, alone = trained(tool, demo, tmp_path / "run", [*small, *HATS])
    arguments = (tmp_path / "run" / "config.py", tmp_path / "run" / "last.pth", "--out", tmp_path / "told")
    code, _, err = tool("test", *arguments, "--cfg-options", "evaluation.gallery_texts=hats")
    assert code == 0, err
    told = json.loads((tmp_path / "told" / "record.json").read_text())
    assert (alone["track"], told["track"]) == ("dual-encoder", "gallery-text")


def test_a_fuser_may_read_the_role_of_a_caption_source(tool, demo, small):
    options = ["data.captions=with-hair", HATS[0].replace("hat", "hair"), HATS[1], "evaluation.gallery_texts=hairs"]
    assert tool("check", demo[0], "--cfg-options", *small, *options)[0] == 0


def test_a_role_that_the_files_lack_is_named_before_training(tool, demo, small, tmp_path):
    options = [*HATS[:2], "data.descriptions=descriptions"]
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", "--cfg-options", *small, *options)
    assert code == 2
    assert "model.fuser: reads 'text.hat.pooled', but the training texts have no role 'hat'" in err
    assert "they have: query, clothing, identity" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("attention", "giving"),
    [
        ("image.attention", "Image encoders that give their attention: CLIPImage, ViT"),
        ("text.query.attention", "Text encoders that give their attention: BERT, CLIPText"),
    ],
)
def test_only_what_reads_attention_needs_an_encoder_that_has_any(tool, demo, small, attention, giving):
    loss = f"model.losses.extra=dict(type='ReadsAttention', attention='{attention}')"
    code, _, err = tool("check", demo[0], "--cfg-options", *small, loss)
    assert code == 2
    assert f"needs the feature '{attention}', which nothing provides" in err
    assert giving in err
    assert tool("check", demo[0], "--cfg-options", *small)[0] == 0


def test_contracts_hold_for_open_roles_and_encoders_without_attention():
    check_encoder({"type": "Stripes"}, "IMAGE_ENCODERS")
    check_encoder({"type": "Bag", "vocab_size": 50}, "TEXT_ENCODERS")
    check_loss({"type": "InfoNCE", "anchor": "image.pooled", "positive": "text.hair.pooled"})
    check_head({"type": "GlobalHead", "image": "image.pooled", "text": "text.query.pooled", "embed_dim": 8})
    check_fuser({"type": "SimpleFuser", "text": "text.hat.pooled", "dim": 16, "out_dim": 8})
