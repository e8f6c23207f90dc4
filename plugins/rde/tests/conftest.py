"""One tiny MiniPEDES, and the mini config made small enough to be trained many times."""

import os

import pytest

CONFIG = "configs/rde/rde_tiny_mini-pedes.py"
CLIP = "arch=dict(embed_dim=16, width=32, layers=1, heads=2"
SMALLEST = [
    f"model.image_encoder=dict(type='CLIPImage', img_size=(48, 24), {CLIP}, patch_size=8))",
    f"model.text_encoder=dict(type='CLIPText', {CLIP}, vocab_size=49408, context_length=48))",
    "model.heads.bge.embed_dim=16",
    "model.heads.tse.dim=16",
    "model.heads.tse.text_length=48",
    "model.heads.tse.asking=last",
    "data.size=(48, 24)",
    "data.tokenizer=dict(type='CLIPBPE', context_length=48)",
    "data.batch_size=16",
    "data.num_workers=0",
    "data.dataset.size=tiny",
    "hooks.ccd.first_epoch=1",
    "runtime.threads=1",
    "evaluation.interval=1",
    "evaluation.protocols=['standard']",
]


@pytest.fixture(scope="session")
def mini(tmp_path_factory):
    """Root of a tiny MiniPEDES, made once and shared by all test processes."""
    from tbpsbench.data.mini_pedes import MiniPEDES

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "MiniPEDES"
    MiniPEDES(str(root), size="tiny").prepare()
    return root


@pytest.fixture
def small(mini):
    """The mini config's path and the overrides that make it small."""
    return CONFIG, [*SMALLEST, f"data.dataset.root={mini}"]
