"""Components of the BDAM system are swapped and removed from the command line; what makes no sense is refused."""

import json

import pytest
from small_models import VIT_AND_BERT

CONFIG = "configs/bdam_mamba/bdam-mamba_tiny_mini-pedes.py"
SMALL = [
    *VIT_AND_BERT,
    "model.heads.global.embed_dim=16",
    "data.size=(48, 24)",
    "data.dataset.size=tiny",
    "data.batch_size=16",
    "data.num_workers=0",
    "data.descriptions=descriptions-wrong20-missing20",
    "runtime.threads=1",
    "schedule.max_epochs=1",
    "evaluation.selection=last",
]
FUSER = ["model.fuser.dim=16", "model.fuser.out_dim=16"]
WITHOUT_FUSER = ["model.fuser=None", "model.heads.global.image=identity", "model.heads.global.project=both"]
WITHOUT_BDAM = [
    "model.disentangler=None", "model.losses.hsic=None", "model.losses.gate=None", "model.losses.clothing=None",
]  # fmt: skip
SWAPS = {
    "as it is": FUSER,
    "transformer": [*FUSER, "model.fuser.type=TransformerFuser"],
    "transformer on tokens": [*FUSER, "model.fuser.type=TransformerFuser", "model.fuser.sequence=tokens"],
    "mamba on tokens": [*FUSER, "model.fuser.sequence=tokens"],
    "simple": [*FUSER, "model.fuser.type=SimpleFuser"],
    "no fused text": [*FUSER, "model.fuser.text=None"],
    "rbf kernel": [*FUSER, "model.losses.hsic.kernel=rbf"],
    "no bdam": [*FUSER, *WITHOUT_BDAM],
    "no bdam on tokens": [*FUSER, *WITHOUT_BDAM, "model.fuser.sequence=tokens"],
    "no fuser": WITHOUT_FUSER,
    "neither": [*WITHOUT_FUSER, *WITHOUT_BDAM],
    "no gate": [*FUSER, "model.disentangler.gate=False", "model.losses.gate=None"],
    "fixed weights": [*FUSER, "model.balancer.type=Fixed"],
    "no InfoNCE": [*FUSER, "model.losses.itc=None"],
}


@pytest.fixture
def small(mini):
    return [f"data.dataset.root={mini}", *SMALL]


def record(folder):
    return json.loads((folder / "record" / "record.json").read_text())


@pytest.mark.parametrize("options", SWAPS.values(), ids=SWAPS)
def test_swapped_system_trains_and_is_evaluated(tool, small, tmp_path, options):
    code, _, err = tool("train", CONFIG, "--work-dir", tmp_path / "run", "--cfg-options", *small, *options)
    assert code == 0, err
    found = record(tmp_path / "run")
    assert found["track"] == "dual-encoder"
    assert any(source["notes"].get("simulated") for source in found["data"]["sources"])


@pytest.mark.parametrize("sequence", ["pooled", "tokens"])
def test_one_checkpoint_serves_a_gallery_with_and_without_texts(tool, small, tmp_path, sequence):
    options = [*small, *FUSER, f"model.fuser.sequence={sequence}"]
    code, _, err = tool("train", CONFIG, "--work-dir", tmp_path / "run", "--cfg-options", *options)
    assert code == 0, err
    texts = "evaluation.gallery_texts=descriptions-wrong50-missing0"
    arguments = (tmp_path / "run" / "config.py", tmp_path / "run" / "last.pth")
    code, _, err = tool("test", *arguments, "--out", tmp_path / "texts" / "record", "--cfg-options", texts)
    assert code == 0, err
    alone, told = record(tmp_path / "run"), record(tmp_path / "texts")
    assert (alone["track"], told["track"]) == ("dual-encoder", "gallery-text")
    assert alone["results"]["standard"]["scores"] != told["results"]["standard"]["scores"]
    assert any(source["role"] == "gallery" and source["notes"]["simulated"] for source in told["data"]["sources"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["model.fuser.type=TransfomerFuser"], "Did you mean 'TransformerFuser'?"),
        (["model.fusr.type=TransformerFuser"], "model.fusr"),
        (["model.losses.hsic.kernel=rbff"], "expected 'linear' or 'rbf'"),
        (["model.losses.hsic.kernl=rbf"], "Did you mean 'kernel'?"),
        (["model.losses.hsics=None"], "there is no model.losses.hsics"),
        (["model.disentangler.crossattention=False"], "Did you mean 'cross_attention'?"),
        (["model.disentangler=None"], "model.losses.hsic=None"),
        (["model.disentangler.gate=False"], "needs the feature 'gate', which nothing provides"),
        (["model.fuser=None"], "needs the feature 'fused', which nothing provides: model.fuser is None"),
        (["data.descriptions=None"], "come from data.descriptions"),
        (["model.fuser.type=SimpleFuser", "model.fuser.sequence=tokens"], "SimpleFuser has no argument 'sequence'"),
        (["model.fuser.text=None", "evaluation.gallery_texts=descriptions"], "nothing in this model reads the texts"),
        (["model.balancer=None"], "model.balancer is needed and cannot be None"),
        (["model.text_encoder=None"], "model.text_encoder is needed and cannot be None"),
        (["data.sampler=None"], "data.sampler is needed and cannot be None"),
        (["optimizer=None"], "an optimizer is written dict(type="),
    ],
)
def test_what_cannot_work_is_refused_before_data_is_read(tool, tmp_path, options, message):
    root = f"data.dataset.root={tmp_path / 'none'}"
    code, _, err = tool("check", CONFIG, "--cfg-options", root, *options)
    assert code == 2
    assert message in err
    assert not (tmp_path / "none").exists()


def test_dropped_settings_are_printed(tool):
    code, out, err = tool("check", CONFIG, "--cfg-options", "model.balancer.type=Fixed")
    assert code == 0, err
    assert "model.balancer: type is now Fixed, dropped what it does not take: layer" in out + err
