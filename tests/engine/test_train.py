"""The tool `train` as a function: what it takes, and what it leaves as it was."""

import pytest
import torch

from tbpsbench.engine import train as module
from tbpsbench.engine.randomness import make_deterministic
from tbpsbench.engine.train import train
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.errors import CheckpointError, ConfigError, DataError

DEMO = "configs/mini/two-tower_mini-pedes.py"
WRONG = ["data.btch_size=1"]


def test_a_run_is_overwritten_where_that_is_asked_for(tmp_path):
    WorkDir(tmp_path / "run").release()
    with pytest.raises(CheckpointError, match=r"already holds a run\. .*overwrite=True"):
        train(DEMO, tmp_path / "run", WRONG)
    with pytest.raises(ConfigError, match="btch_size"):
        train(DEMO, tmp_path / "run", WRONG, overwrite=True)
    assert (tmp_path / "run" / "run.json").exists(), "the run that was to be overwritten is there again"


@pytest.mark.parametrize("overrides", ["seed=1", {"seed": 1}, [("seed", 1)], None])
def test_overrides_are_a_list_of_texts(tmp_path, overrides):
    with pytest.raises(ConfigError, match=r"overrides are .*, expected a list of texts: \['seed=1', "):
        train(DEMO, tmp_path / "run", overrides)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_callers_choice_of_algorithms_is_kept(tmp_path, monkeypatch, deterministic):
    def refused(*args, **kwargs):
        make_deterministic(not deterministic)
        raise DataError("no data")

    monkeypatch.setattr(module, "build_run", refused)
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    try:
        make_deterministic(deterministic)
        with pytest.raises(DataError, match="no data"):
            train(DEMO, tmp_path / "run")
        assert torch.are_deterministic_algorithms_enabled() == deterministic
        assert torch.backends.cudnn.benchmark != deterministic
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
