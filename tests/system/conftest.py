"""Small trained systems of every kind, each made once; and what a process opens."""

import socket
import sys

import pytest
import torch
from small_models import CLIP_IMAGE, CLIP_TEXT, CLIP_TOKENS, VIT_AND_BERT

COMMON = [
    "data.size=(48, 24)", "data.batch_size=16", "data.num_workers=0", "data.dataset.size=tiny", "runtime.threads=1",
    "evaluation.interval=1", "schedule.max_epochs=1", "schedule.warmup_epochs=0",
]  # fmt: skip
# kind -> config and overrides; `{pretrained}` is a CLIP file that is gone when the system is used.
KINDS = {
    "wordpiece": ("configs/mini/two-tower_mini-pedes.py", [*VIT_AND_BERT, "model.heads.global.embed_dim=16"]),
    "clip": (
        "configs/clip/clip_tiny_mini-pedes.py",
        [f"{CLIP_IMAGE}, pretrained='{{pretrained}}')", f"{CLIP_TEXT}, pretrained='{{pretrained}}')", CLIP_TOKENS,
         "model.heads.global.embed_dim=16"],
    ),
    "irra": (
        "configs/irra/irra_tiny_mini-pedes.py",
        [f"{CLIP_IMAGE})", f"{CLIP_TEXT})", CLIP_TOKENS, "model.heads.global.embed_dim=16"],
    ),
    "rde": (
        "configs/rde/rde_tiny_mini-pedes.py",
        [*VIT_AND_BERT, "model.heads.bge.embed_dim=16", "model.heads.tse.dim=16"],
    ),
    "bdam": (
        "configs/bdam_mamba/bdam-mamba_tiny_mini-pedes.py",
        [*VIT_AND_BERT, "model.heads.global.embed_dim=16", "model.fuser.dim=16", "model.fuser.out_dim=16",
         "model.disentangler.heads=2", "evaluation.gallery_texts=descriptions"],
    ),
}  # fmt: skip
_opened: list[str] | None = None


def _listen(event, arguments):
    if _opened is not None and event == "open" and isinstance(arguments[0], str):
        _opened.append(arguments[0])


sys.addaudithook(_listen)


@pytest.fixture
def opened():
    """Names of all files that are opened from here on."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


@pytest.fixture
def no_network(monkeypatch):
    """Every connection is refused."""

    def refuse(*_):
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """Folder of the finished runs of this process."""
    return tmp_path_factory.mktemp("systems")


@pytest.fixture
def trained(kept, tool, mini):
    """Train the system of a kind once: the folder of its run. What it was started from is gone afterwards."""

    def train(kind):
        run = kept / kind
        if not (run / "record" / "record.json").exists():
            config, options = KINDS[kind]
            weights = kept / "clip-weights"
            write_clip(weights)
            options = [option.replace("{pretrained}", str(weights / "model.pth")) for option in options]
            code, _, err = tool(
                "train", config, "--work-dir", run, "--cfg-options", f"data.dataset.root={mini}", *COMMON, *options
            )
            assert code == 0, err
            for path in weights.iterdir():
                path.unlink()
        return run

    return train


def write_clip(folder):
    """CLIP weights with GELU, which nothing but the config.json beside them says."""
    from tbpsbench.backbones.clip_image import CLIPImage
    from tbpsbench.backbones.clip_text import CLIPText

    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    sizes = {"embed_dim": 16, "width": 32, "layers": 1, "heads": 2}
    visual = CLIPImage({**sizes, "patch_size": 8}, (48, 24)).visual.state_dict()
    text = CLIPText({**sizes, "context_length": 48}).text.state_dict()
    torch.save({**{f"visual.{key}": value for key, value in visual.items()}, **text}, folder / "model.pth")
    (folder / "config.json").write_text('{"vision_config": {"hidden_act": "gelu"}}')
