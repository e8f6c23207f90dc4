"""Checkpoints whose values were damaged or changed between a run and its resume, through the guard of a resume."""

from types import SimpleNamespace

import pytest
import torch
from cases import each_case, refusal

from tbpsbench.config.load import load_config
from tbpsbench.engine.guard import guard_resume
from tbpsbench.engine.run import build_run
from tbpsbench.errors import CheckpointError

_built = {}


@pytest.fixture
def systems(demo):
    """A real system, and one of which a case may be a checkpoint: config and data of the cases, which are small."""
    if "real" not in _built:
        _built["real"] = build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0"])).system
    small = SimpleNamespace(
        config={"a": 1}, trained_on=SimpleNamespace(hashes={}), tokenizer=SimpleNamespace(sha256="t" * 64)
    )
    return _built["real"], small


@each_case("resume-guard")
def test_checkpoint_that_was_changed_is_refused_or_fine(case, systems):
    for system in systems:
        for allowed in ((), ("a", "data", "model", "evaluation", "optimizer", "runtime", "schedule")):
            error = refusal(guard_resume, case, system, allowed)
            assert error is None or isinstance(error, CheckpointError)
            assert error is None or str(case) in str(error)
    assert refusal(guard_resume, case, systems[0], ()) is not None, "it is no checkpoint of this system"


@each_case("resume-guard")
def test_value_that_no_run_writes_is_named(case, systems):
    own = torch.load(case, weights_only=True)["tbpsbench"]
    data, best = own.get("data", {}), own.get("best")
    odd = {
        "data": not isinstance(data, dict) or not all(isinstance(item, str) for item in data.values()),
        "best": best is not None and not (isinstance(best, dict) and {"epoch", "score", "metric"} <= set(best)),
    }
    error = str(refusal(guard_resume, case, systems[1], ()))
    wrong = [key for key, found in odd.items() if found]
    assert not wrong or any(f"{key} is not" in error for key in wrong)
