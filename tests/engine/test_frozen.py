"""What `param_groups` freeze is the same after training, batch norm's running statistics included."""

from functools import partial

import pytest
import torch
from runs import assert_equal, train_in
from small_models import CONV_VIT
from torch import nn

from tbpsbench.engine.frozen import KeepStatistics
from tbpsbench.engine.pattern_groups import PatternGroups
from tbpsbench.layers.batch_norm import BatchNorm
from tbpsbench.weights.files import read_checkpoint


def encoder(**norm):
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, **norm), nn.Dropout())


@pytest.fixture
def model():
    teacher = encoder().requires_grad_(False)
    parts = {"image": encoder(), "text": encoder(affine=False), "norm": BatchNorm(4), "teacher": teacher}
    return nn.ModuleDict(parts)


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("^image", ["image.1"]),
        ("image.1", ["image.1"]),
        ("image.1.weight", []),
        ("image.0", []),
        ("^text", ["text.1"]),
        ("norm", ["norm"]),
        ("image|norm", ["image.1", "norm"]),
    ],
)
def test_layers_of_frozen_parts_alone_are_kept(model, pattern, kept):
    hook = KeepStatistics(model)
    PatternGroups([{"pattern": pattern, "frozen": True}])(model, 1.0, 0.0)
    hook.before_train(None)
    for again in (hook.before_train_epoch, partial(hook.before_train_iter, batch_idx=0)):
        model.train()
        again(None)
        assert [name for name, part in model.named_modules() if not part.training] == kept


def test_frozen_batch_norm_is_the_same_after_validations_and_a_resume(demo, tmp_path):
    options = [CONV_VIT, "schedule.type=constant", "evaluation.interval=1"]
    frozen = "param_groups=dict(type='PatternGroups', rules=[dict(pattern='^image_encoder', frozen=True)])"
    states = []
    for epochs in (2, 3):
        more = [frozen, f"schedule.max_epochs={epochs}"]
        train_in(tmp_path / "run", demo, *options, *more, allow=["schedule"])
        states.append(read_checkpoint(tmp_path / "run" / "last.pth")["state_dict"])
    names = [name for name in states[0] if name.startswith("image_encoder")]
    means = [name for name in names if name.endswith("running_mean")]
    assert len(means) == 3
    for name in means:
        assert not states[0][name].any()
    assert_equal(*({name: state[name] for name in names} for state in states))
    assert any(not torch.equal(states[0][name], states[1][name]) for name in states[0])
