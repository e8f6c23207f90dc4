"""The configs that ship say what was published, and the mini one trains with and without noise."""

from pathlib import Path

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.testing import mock_run

CONFIGS = sorted(Path("configs/rde").glob("*.py"))
CLIP = [path for path in CONFIGS if "clip" in path.stem]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_needs_the_plug_in_and_is_sound(path):
    config = load_config(path)
    assert config.values["plugins"] == ["rde"]
    assert check(config) == []


@pytest.mark.parametrize("path", CLIP, ids=lambda path: path.stem)
def test_published_settings(path):
    values = load_config(path).values
    assert set(values["model"]["heads"]) == set(values["model"]["losses"]) == {"bge", "tse"}
    assert values["param_groups"] == {"type": "RDEGroups", "new": ["heads.tse."], "new_lr": 1e-3, "bias_lr_mult": 2.0}
    assert (values["optimizer"]["lr"], values["optimizer"]["eps"], values["data"]["text_noise"]) == (1e-5, 1e-3, 0.2)
    mixture = tuple(values["hooks"]["ccd"][key] for key in ("max_iter", "tol", "reg_covar"))
    assert mixture == ((100, 1e-4, 1e-6) if "rstp" in path.stem else (10, 1e-2, 5e-4))


def test_there_is_one_for_every_licensed_data_set():
    names = " ".join(path.stem for path in CLIP)
    assert all(data in names for data in ("cuhk-pedes", "icfg-pedes", "rstp-reid"))


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "amp"), [(0.0, None), (0.2, None), (0.5, "bf16")])
def test_mini_config_trains_on_cpu(noise, amp, tmp_path, mini):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny-0").symlink_to(mini / "tiny-0")
    options = [f"data.noise={noise}", f"runtime.amp={amp}", "hooks.ccd.first_epoch=1"]
    options += ["runtime.threads=1", "evaluation.interval=1"]
    record = mock_run("configs/rde/rde_tiny_mini-pedes.py", tmp_path, *options)
    assert record["results"]["standard"]["queries"] > 0
