"""All of TBPS-CLIP through the tools: views, SimCLR, captions from a further file; stopped and resumed, verified."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tbpsbench.annotations import write_annotations
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.train import train
from tbpsbench.losses.base import Loss
from tbpsbench.registry import HOOKS, LOSSES
from tbpsbench.types import LossOutput
from tbpsbench.weights.files import read_checkpoint

FULL = "configs/tbps_clip/tbps-clip-full_tiny_mini-pedes.py"
BACK = [
    "data.more_captions=['back-translated']",
    "data.text_transforms=[dict(type='CaptionMix', p=0.5), dict(type='WordDrop'), dict(type='TokenMask')]",
]
ALL = [
    *BACK,
    "data.captions_per_sample=2",
    "data.extras=['gait']",
    "model.losses.gait=dict(type='GaitOfImage', classes='from_data:num_gait')",
    "model.losses.further=dict(type='InfoNCE', anchor='heads.global.text', positive='view.query_2.heads.global.text')",
    "hooks.stop=dict(type='StopOnce')",
]


class StopOnce(Hook):
    """Ends the run before its second epoch, as long as it is told to."""

    stop = False

    def before_epoch(self, state):
        if self.stop and state.epoch == 1:
            raise KeyboardInterrupt


class GaitOfImage(Loss):
    """A classifier of an attribute of the image."""

    def __init__(self, dims, classes: int, image: str = "image.pooled", label: str = "extras.gait"):
        super().__init__()
        self.image, self.label, self.classify = image, label, torch.nn.Linear(dims[image], classes)

    def forward(self, features, batch):
        scores = self.classify(features[self.image])
        return LossOutput.mean(torch.nn.functional.cross_entropy(scores, features[self.label], reduction="none"))


@pytest.fixture(autouse=True)
def plug_in():
    HOOKS.register()(StopOnce)
    LOSSES.register(requires=("image", "label"))(GaitOfImage)
    yield
    HOOKS.remove("StopOnce")
    LOSSES.remove("GaitOfImage")


@pytest.fixture
def small(demo, mini, tmp_path):
    """Overrides for a run of two epochs on data with a file of captions that were made from the human ones."""
    folder = Path(shutil.copytree(mini / "tiny-0", tmp_path / "data" / "tiny-0"))
    human = MiniPEDES(str(folder.parent), size="tiny").load()
    back = [
        replace(r, captions=tuple(replace(c, text=f"again {c.text}", derived_from=c.sha256) for c in r.captions))
        for r in human.records
    ]
    write_annotations(folder / "back-translated.jsonl", human.dataset, "translated", back, images="images")
    usual = [option for option in demo[2:] if "dataset.root" not in option]
    return [f"data.dataset.root={folder.parent}", *usual, "schedule.max_epochs=2", "data.num_workers=0"]


def test_a_stopped_run_goes_on_with_the_same_bits_at_another_number_of_workers(small, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    record = train(FULL, whole, [*small, *ALL])
    StopOnce.stop = True
    try:
        with pytest.raises(KeyboardInterrupt):
            train(FULL, stopped, [*small, *ALL, "data.num_workers=2"])
    finally:
        StopOnce.stop = False
    train(FULL, stopped, [*small, *ALL, "data.num_workers=1"], resume="yes")
    one, other = (read_checkpoint(folder / "last.pth") for folder in (whole, stopped))
    assert one["state_dict"].keys() == other["state_dict"].keys()
    assert any("losses.simclr.projection" in key for key in one["state_dict"])
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key]), key
    assert one["tbpsbench"]["roles"] == ["query_2"]
    assert one["tbpsbench"]["history"] == other["tbpsbench"]["history"]
    assert record["track"] == "dual-encoder"


def test_the_record_names_the_further_captions_and_holds(tool, small, tmp_path):
    run = tmp_path / "run"
    code, _, err = tool("train", FULL, "--work-dir", run, "--cfg-options", *small, *BACK, "schedule.max_epochs=1")
    assert code == 0, err
    record = json.loads((run / "record" / "record.json").read_text())
    assert [source["role"] for source in record["data"]["sources"]] == ["captions", "captions.back-translated"]
    root = tmp_path / "data"
    verify = ("leaderboard", "verify", run / "record", "--data", root, "--checkpoint", run / "best.pth", "--verbose")
    code, out, err = tool(*verify)
    assert code == 0, out + err
    code, _, err = tool("test", run / "best.pth", "--out", tmp_path / "told")
    assert code == 0, err
    told = json.loads((tmp_path / "told" / "record.json").read_text())
    assert told["results"] == record["results"]
    assert told["system_sha256"] == record["system_sha256"]
    del record["data"]["sources"][1]
    (run / "record" / "record.json").write_text(json.dumps(record))
    code, out, err = tool(*verify)
    assert code != 0
    assert "captions.back-translated" in out + err


def test_a_file_that_is_missing_is_named_before_training(tool, small, tmp_path):
    (tmp_path / "data" / "tiny-0" / "back-translated.jsonl").unlink()
    code, _, err = tool("train", FULL, "--work-dir", tmp_path / "run", "--cfg-options", *small, *BACK)
    assert code == 2
    assert "back-translated.jsonl: no such file" in err


def test_an_attribute_that_no_image_has_is_named_before_training(tool, small, tmp_path):
    options = [*small, "data.extras=['shoe_size']"]
    code, _, err = tool("train", FULL, "--work-dir", tmp_path / "run", "--cfg-options", *options)
    assert code == 2
    assert "no image of MiniPEDES has the attribute 'shoe_size'. There are: " in err


def test_a_checkpoint_from_before_these_keys_is_evaluated_and_resumed(tool, demo, tmp_path):
    """Its config has none of them, and says the same."""
    run = tmp_path / "run"
    options = [*demo[2:], "data.num_workers=0"]
    code, _, err = tool("train", demo[0], "--work-dir", run, "--cfg-options", *options, "schedule.max_epochs=1")
    assert code == 0, err
    for name in ("best.pth", "last.pth"):
        checkpoint = torch.load(run / name, weights_only=True)
        config = json.loads(checkpoint["tbpsbench"]["config"])
        for key in ("views", "captions_per_sample", "more_captions", "text_transforms", "extras"):
            del config["data"][key]
        checkpoint["tbpsbench"]["config"] = json.dumps(config)
        torch.save(checkpoint, run / name)
    code, _, err = tool("test", run / "best.pth", "--out", tmp_path / "told")
    assert code == 0, err
    code, _, err = tool("train", demo[0], "--work-dir", run, "--resume", "--cfg-options", *options,
                        "schedule.max_epochs=1")  # fmt: skip
    assert code == 0, err
