"""One tiny MiniPEDES, and the mini config made small enough to be trained many times."""

import pytest
from small_models import CLIP_IMAGE, CLIP_TEXT, CLIP_TOKENS, tiny_mini_pedes

CONFIG = "configs/rde/rde_tiny_mini-pedes.py"
SMALLEST = [
    f"{CLIP_IMAGE})",
    f"{CLIP_TEXT})",
    "model.heads.bge.embed_dim=16",
    "model.heads.tse.dim=16",
    "model.heads.tse.text_length=48",
    "model.heads.tse.asking=last",
    "data.size=(48, 24)",
    CLIP_TOKENS,
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
    return tiny_mini_pedes(tmp_path_factory)


@pytest.fixture
def small(mini):
    """The mini config's path and the overrides that make it small."""
    return CONFIG, [*SMALLEST, f"data.dataset.root={mini}"]
