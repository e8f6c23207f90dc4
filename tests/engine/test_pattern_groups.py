import pytest
import torch
from torch import nn

from tbpsbench.config.schema import RuntimeSection
from tbpsbench.engine.optim import build_optim_wrapper, build_optimizer, group_table
from tbpsbench.engine.pattern_groups import PatternGroups
from tbpsbench.errors import ConfigError


@pytest.fixture
def model():
    return nn.ModuleDict({"image_encoder": nn.Linear(4, 3), "head": nn.Linear(3, 2)})


def test_rules_set_rate_and_decay_and_every_parameter_is_in_one_group(model):
    groups = PatternGroups([{"pattern": "image_encoder", "lr_mult": 0.1}, {"pattern": r"\.bias$", "decay_mult": 0.0}])(
        model, lr=1.0, weight_decay=0.5
    )
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    named = {name: found[id(p)] for name, p in model.named_parameters()}
    assert named == {
        "image_encoder.weight": (0.1, 0.5),
        "image_encoder.bias": (0.1, 0.0),
        "head.weight": (1.0, 0.5),
        "head.bias": (1.0, 0.0),
    }


def test_pattern_without_a_match_is_an_error_that_lists_what_exists(model):
    with pytest.raises(ConfigError, match=r"no parameter matches 'fusr'[\s\S]*head\.bias"):
        PatternGroups([{"pattern": "fusr"}])(model, 1.0, 0.0)


def test_frozen_parameters_stop_learning(model):
    groups = PatternGroups([{"pattern": "image_encoder", "frozen": True}])(model, 1.0, 0.0)
    assert sum(len(g["params"]) for g in groups) == 2
    assert not model["image_encoder"].weight.requires_grad


def test_no_decay_on_vectors(model):
    groups = PatternGroups(no_decay_on_vectors=True)(model, 1.0, 0.5)
    assert {g["weight_decay"]: {p.ndim for p in g["params"]} for g in groups} == {0.5: {2}, 0.0: {1}}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"pattern": "a", "lr_mul": 2}, "Did you mean 'lr_mult'"),
        ({}, "has no pattern"),
        ({"pattern": "("}, "not a regex"),
    ],
)
def test_bad_rules_are_refused(rule, why):
    with pytest.raises(ValueError, match=why):
        PatternGroups([rule])


def test_optimizer_takes_the_groups_and_reports_them(model):
    config = {"type": "AdamW", "lr": 0.1, "weight_decay": 0.5, "betas": (0.8, 0.9)}
    groups = {"type": "PatternGroups", "rules": [{"pattern": "head", "lr_mult": 5.0}]}
    optimizer = build_optimizer(config, groups, model)
    assert [(row["first"], row["lr"], row["values"]) for row in group_table(optimizer)] == [
        ("image_encoder.weight", 0.1, 15),
        ("head.weight", 0.5, 8),
    ]
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)


def test_everything_frozen_is_an_error(model):
    with pytest.raises(ConfigError, match="nothing is left to train"):
        build_optimizer(
            {"type": "SGD", "lr": 0.1}, {"type": "PatternGroups", "rules": [{"pattern": ".", "frozen": True}]}, model
        )


def test_accumulated_steps_equal_one_step_on_the_joined_batch(model):
    x = torch.randn(8, 4)
    other = nn.ModuleDict({"image_encoder": nn.Linear(4, 3), "head": nn.Linear(3, 2)})
    other.load_state_dict(model.state_dict())

    def loss(net, rows):
        return net["head"](net["image_encoder"](rows)).square().mean()

    whole = build_optim_wrapper(build_optimizer({"type": "SGD", "lr": 0.1}, None, model), RuntimeSection())
    whole.update_params(loss(model, x))
    halves = build_optim_wrapper(build_optimizer({"type": "SGD", "lr": 0.1}, None, other), RuntimeSection(accumulate=2))
    halves.initialize_count_status(other, 0, 2)
    for part in x.split(4):
        halves.update_params(loss(other, part))
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_bf16_autocasts_the_forward_pass_on_the_cpu_too(model):
    wrapper = build_optim_wrapper(build_optimizer({"type": "SGD", "lr": 0.1}, None, model), RuntimeSection(amp="bf16"))
    with wrapper.optim_context(model):
        assert model["head"](torch.randn(2, 3)).dtype == torch.bfloat16


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 works on CUDA")
def test_fp16_without_cuda_is_refused(model):
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        build_optim_wrapper(build_optimizer({"type": "SGD", "lr": 0.1}, None, model), RuntimeSection(amp="fp16"))
