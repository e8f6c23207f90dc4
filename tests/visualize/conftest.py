"""The BDAM system, small and untrained, and what is drawn before it becomes a PNG."""

import pytest
from PIL import ImageDraw
from small_models import VIT_AND_BERT

from tbpsbench.config.load import load_config
from tbpsbench.engine.run import build_run

CONFIG = "configs/bdam_mamba/bdam-mamba_tiny_mini-pedes.py"
SMALL = [
    *VIT_AND_BERT,
    "model.heads.global.embed_dim=16",
    "model.fuser.dim=16",
    "model.fuser.out_dim=16",
    "data.size=(48, 24)",
    "data.dataset.size=tiny",
    "data.batch_size=16",
    "data.num_workers=0",
    "runtime.threads=1",
]


@pytest.fixture
def small(mini):
    """CONFIG and the overrides that make it small."""
    return [CONFIG, "--cfg-options", f"data.dataset.root={mini}", *SMALL]


@pytest.fixture
def built(small):
    """Build the small system with further overrides: a run in evaluation mode."""

    def build(*options):
        run = build_run(load_config(small[0], [*small[2:], *options]))
        run.model.eval()
        return run

    return build


@pytest.fixture
def drawn(monkeypatch):
    """Figures of matplotlib as they are handed over for saving; nothing is written."""
    figures = []

    def keep(figure, path):
        figure.draw_without_rendering()
        figures.append(figure)
        return path

    for module in ("curves", "gates", "radar", "tsne"):
        monkeypatch.setattr(f"tbpsbench.visualize.{module}.save_figure", keep)
    return figures


@pytest.fixture
def texts(monkeypatch):
    """Every text that is drawn."""
    seen, draw = [], ImageDraw.ImageDraw.text

    def text(self, xy, text, *args, **kwargs):
        seen.append(text)
        return draw(self, xy, text, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return seen
