"""Every value of a checkpoint that a resume reads: damaged, it is named, and the run stays as it was."""

import copy

import pytest
import torch
from cases import refusal
from runs import train_in

from tbpsbench.config.load import load_config
from tbpsbench.engine.guard import guard_resume
from tbpsbench.engine.optim import build_optim_wrapper, build_optimizer
from tbpsbench.engine.resumable import chooses_anew, require_whole, resume_optimizer
from tbpsbench.engine.run import build_run
from tbpsbench.errors import CheckpointError
from tbpsbench.weights.files import read_checkpoint

# A small vocabulary: hundreds of checkpoints are written here.
BERT = "hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=48"
OPTIONS = (
    "schedule.max_epochs=2",
    "data.num_workers=0",
    "data.tokenizer=dict(type='WordPiece', vocab_size=200, max_length=48)",
    f"model.text_encoder=dict(type='BERT', arch=dict({BERT}), vocab_size='from_data:vocab_size', pooling='mean')",
)
ODD = [
    None, True, -1, 1.5, float("nan"), float("inf"), 2**70, "x" * 100_000, "\0\ud800\x1b[31m", [], {}, [[1]], {"a": {}},
    {1: 2}, torch.ones(3), torch.tensor(float("nan")),
]  # fmt: skip
OWN = (
    "config", "data", "data.*", "best", "best.epoch", "best.score", "best.metric", "history", "history.0",
    "history.0.epoch", "history.0.R@1", "seconds", "peak_memory", "hooks", "steps", "test_evaluations", "plugins",
)  # fmt: skip
PLACES = [
    "meta", "meta.epoch", "meta.iter", "state_dict", "state_dict.*", "optimizer", "optimizer.state",
    "optimizer.state.*", "optimizer.state.*.exp_avg", "optimizer.param_groups", "optimizer.param_groups.0",
    "optimizer.param_groups.0.params", "tbpsbench", *(f"tbpsbench.{key}" for key in OWN),
]  # fmt: skip
# A value that fits its place may as well be the run's own.
NUMBERS = (-1, 1.5, 2**70)
FINE = {"best": [None], "seconds": NUMBERS, "R@1": NUMBERS, "hooks": [{}, {"a": {}}], "peak_memory": [{}],
        "state": [{}], "data": [{}], "plugins": [{}]}  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    return {}


@pytest.fixture
def finished(trained, demo, tmp_path_factory):
    """A run of two epochs, and its parts built anew."""
    if not trained:
        folder = tmp_path_factory.mktemp("finished") / "run"
        train_in(folder, demo, *OPTIONS)
        run = build_run(load_config(demo[0], [*demo[2:], *OPTIONS]))
        optimizer = build_optimizer(run.settings.optimizer, run.settings.param_groups, run.model)
        trained |= {"path": folder / "last.pth", "run": run, "optimizer": optimizer}
    return trained


def resume(parts, path, changed=frozenset()):
    """What a Training does with a checkpoint before its first step."""
    run = parts["run"]
    guard_resume(path, run.system, ())
    content = read_checkpoint(path)
    require_whole(content, path, run.model, run.settings.schedule.max_epochs)
    wrapper = build_optim_wrapper(parts["optimizer"], run.settings.runtime)
    return resume_optimizer(content, path, wrapper, changed)


def change(content, place, value):
    """Set a value in nested data; `*` is the first key."""
    *path, last = place.split(".")
    for key in path:
        content = content[_key(content, key)]
    content[_key(content, last)] = value


def _key(content, key):
    if key == "*":
        return next(iter(content))
    return int(key) if isinstance(content, list) else key


def test_untouched_checkpoint_is_fine(finished):
    assert refusal(resume, finished, finished["path"]) is None


@pytest.mark.parametrize("place", PLACES)
def test_damaged_value_is_named(finished, tmp_path, place):
    content = torch.load(finished["path"], weights_only=True)
    for number, odd in enumerate(ODD):
        changed = copy.deepcopy(content)
        change(changed, place, odd)
        path = tmp_path / f"{number}.pth"
        torch.save(changed, path)
        error = refusal(resume, finished, path)
        if error is None:
            fine = [*FINE.get(place.rpartition(".")[2], []), *([{}] if place == "optimizer.state.*" else [])]
            assert not isinstance(odd, torch.Tensor)
            assert any(odd is item or odd == item for item in fine), repr(odd)
            continue
        assert isinstance(error, CheckpointError)
        assert str(path) in str(error)
        assert len(str(error)) < 4000


@pytest.mark.parametrize("place", ["meta", "state_dict", "optimizer", "meta.epoch", "meta.iter"])
def test_missing_part_is_named(finished, tmp_path, place):
    content = torch.load(finished["path"], weights_only=True)
    part, _, key = place.partition(".")
    del (content[part] if key else content)[key or part]
    torch.save(content, tmp_path / "last.pth")
    assert f"it lacks {place}" in str(refusal(resume, finished, tmp_path / "last.pth"))


def test_weights_of_another_model_are_refused_not_mixed_in(finished, tmp_path):
    content = torch.load(finished["path"], weights_only=True)
    name = next(iter(content["state_dict"]))
    content["state_dict"][f"{name}_"] = content["state_dict"].pop(name)
    torch.save(content, tmp_path / "last.pth")
    assert name in str(refusal(resume, finished, tmp_path / "last.pth"))


def test_moments_of_another_shape_are_refused(finished, tmp_path):
    content = torch.load(finished["path"], weights_only=True)
    state = content["optimizer"]["state"][0]
    state["exp_avg"] = torch.zeros(3, 3, 3, 3, 3)
    torch.save(content, tmp_path / "last.pth")
    assert "does not fit this model" in str(refusal(resume, finished, tmp_path / "last.pth"))


@pytest.mark.parametrize(
    ("key", "anew"),
    [
        ("evaluation.metric", True),
        ("evaluation.protocols", True),
        ("evaluation.metrics.0.type", True),
        ("data.size", True),
        ("model.heads.global.weight", True),
        ("evaluation.interval", False),
        ("evaluation.batch_size", False),
        ("data.dataset.root", False),
        ("data.batch_size", False),
        ("optimizer.lr", False),
        ("schedule.max_epochs", False),
        ("model.losses.itc.temperature", False),
    ],
)
def test_scores_are_compared_only_where_they_are_computed_alike(key, anew):
    assert chooses_anew([key, "runtime.threads"]) is anew
