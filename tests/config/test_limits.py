"""Values of the right type that could not be trained with are refused by the check, each with its place."""

import pytest
import torch

from tbpsbench.config.check import check
from tbpsbench.config.limits import MAX_SEED, optimizer_problems, seed_problem
from tbpsbench.config.load import load_config
from tbpsbench.config.schema import optimizer_names
from tbpsbench.engine.optim import build_optimizer
from tbpsbench.engine.randomness import seed_epoch
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError

DEMO = "configs/mini/two-tower_mini-pedes.py"


def problems(*overrides):
    """Problems by place. Values are set as a Python script would: the reader of files refuses some of them before."""
    config = load_config(DEMO)
    for override in overrides:
        key, _, text = override.partition("=")
        *place, last = key.split(".")
        section = config.values
        for name in place:
            section = section.setdefault(name, {})
        section[last] = eval(text, {"dict": dict})
    return {problem.path: str(problem) for problem in check(config)}


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("optimizer.lr=-1e-3", "optimizer.lr", "expected 0 or more"),
        ("optimizer.lr=1e999", "optimizer.lr", "expected a finite number"),
        ("optimizer.lr=True", "optimizer.lr", "the learning rate is a number"),
        ("optimizer.weight_decay=-0.1", "optimizer.weight_decay", "expected 0 or more"),
        ("optimizer.weight_decay=-1e999", "optimizer.weight_decay", "expected a finite number"),
        ("optimizer.eps=-1e-8", "optimizer.eps", "expected 0 or more"),
        ("optimizer.betas=(0.9, 1.0)", "optimizer.betas.1", "expected less than 1"),
        ("optimizer.betas=(-0.1, 0.9)", "optimizer.betas.0", "expected 0 or more"),
        ("optimizer.betas=(0.9,)", "optimizer.betas", "expected tuple"),
        ("runtime.clip_grad_norm=0", "runtime.clip_grad_norm", "expected more than 0"),
        ("runtime.clip_grad_norm=-1.0", "runtime.clip_grad_norm", "expected more than 0"),
        ("runtime.clip_grad_norm=1e999", "runtime.clip_grad_norm", "expected a finite number"),
        ("runtime.threads=0", "runtime.threads", "expected at least 1"),
        ("runtime.threads=-2", "runtime.threads", "expected at least 1"),
        ("runtime.threads=1000000", "runtime.threads", "expected at most 1024"),
        ("runtime.log_interval=0", "runtime.log_interval", "expected at least 1"),
        ("runtime.accumulate=0", "runtime.accumulate", "expected at least 1"),
        ("evaluation.interval=0", "evaluation.interval", "expected at least 1"),
        ("evaluation.interval=-1", "evaluation.interval", "expected at least 1"),
        ("evaluation.interval=1e999", "evaluation.interval", "expected a finite number"),
        ("evaluation.batch_size=0", "evaluation.batch_size", "expected at least 1"),
        ("schedule.warmup_epochs=-1", "schedule.warmup_epochs", "expected at least 0"),
        ("schedule.warmup_epochs=1e999", "schedule.warmup_epochs", "expected a finite number"),
        ("schedule.warmup_factor=-0.1", "schedule.warmup_factor", "expected at least 0"),
        ("schedule.min_factor=-0.1", "schedule.min_factor", "expected at least 0"),
        ("schedule.gamma=-0.1", "schedule.gamma", "expected at least 0"),
        ("schedule.milestones=(3, -1)", "schedule.milestones.1", "expected at least 0"),
        ("schedule.milestones=(3, 'x')", "schedule.milestones.1", "expected a number"),
        ("schedule.max_epochs=99999999999", "schedule.max_epochs", "expected at most"),
        ("data.text_noise=1.5", "data.text_noise", "expected at most 1"),
        ("data.noise=-0.5", "data.noise", "expected at least 0"),
        ("data.std=(0.1, 0.0, 0.1)", "data.std.1", "expected more than 0"),
        ("data.mean=(0.1, 1e999, 0.1)", "data.mean.1", "expected a finite number"),
        ("data.num_workers=-1", "data.num_workers", "expected at least 0"),
        ("model.losses.itc.temperature=1e999", "model.losses.itc.temperature", "expected a finite number"),
        ("model.balancer.weights=dict(itc=1e999)", "model.balancer.weights.itc", "expected a finite number"),
        (f"model.balancer.weights=dict(itc={2**64})", "model.balancer.weights.itc", "does not fit into 64 bits"),
        ("seed=4294967296", "seed", "expected an int from 0 to 4294967295"),
        ("seed=True", "seed", "expected an int from 0"),
        ("seed=0.5", "seed", "expected an int from 0"),
        (f"seed=1{'0' * 400}", "seed", "an integer of 1329 bits"),
        (
            "param_groups=dict(type='PatternGroups', rules=[dict(pattern='x', lr_mult=-1.0)])",
            "param_groups", "rules.0.lr_mult is -1.0, expected a number that is 0 or more",
        ),
        (
            "param_groups=dict(type='PatternGroups', rules=[dict(pattern='x', decay_mult='big')])",
            "param_groups", "rules.0.decay_mult is 'big'",
        ),
        (
            "param_groups=dict(type='PatternGroups', rules=[dict(pattern='x', lr_mult=1e999)])",
            "param_groups.rules.0.lr_mult", "expected a finite number",
        ),
    ],
)  # fmt: skip
def test_each_value_out_of_range_is_named_with_its_place(override, path, message):
    found = problems(override)
    assert path in found, found
    assert message in found[path]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("dict(type='LBFGS', lr=1.0)", "LBFGS computes the loss several times in a step (a closure)"),
        ("dict(type='SparseAdam', lr=1e-3)", "does not support dense gradients"),
        ("dict(type='Muon', lr=1e-3)", "only supports 2D parameters"),
        ("dict(type='SGD', lr=0.1, nesterov=True)", "Nesterov momentum requires a momentum"),
        ("dict(type='AdamW', lr=0.1, differentiable=True)", "in-place"),
        ("dict(type='Adam', lr=0.1, fused=True, foreach=True)", "fused"),
    ],
)
def test_optimizer_that_cannot_take_a_step_is_refused_with_the_reason(optimizer, message):
    (found,) = problems(f"optimizer={optimizer}").values()
    assert message in found
    assert "AdamW or SGD" in found


@pytest.mark.parametrize("name", optimizer_names())
def test_every_optimizer_that_passes_can_train(name):
    config = {"type": name, "lr": 0.01}
    if list(optimizer_problems(config)):
        assert name in ("LBFGS", "Muon", "SparseAdam")
        return
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
    optimizer = build_optimizer(config, None, network)
    before = network[0].weight.detach().clone()
    network(torch.ones(2, 5)).square().mean().backward()
    optimizer.step()
    assert not torch.equal(before, network[0].weight)


def test_group_of_a_plug_in_may_not_have_a_negative_rate(monkeypatch):
    from tbpsbench.engine.pattern_groups import PatternGroups

    group = PatternGroups.__call__
    monkeypatch.setattr(
        PatternGroups, "__call__", lambda *arguments: [{**g, "lr": -g["lr"]} for g in group(*arguments)]
    )
    with pytest.raises(ConfigError, match=r"param_groups: the group of weight has lr=-0\.1"):
        build_optimizer({"type": "SGD", "lr": 0.1}, None, torch.nn.Linear(2, 2))


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 2**64])
def test_seed_of_the_command_line_is_looked_at_too(demo, seed):
    with pytest.raises(ConfigError, match=f"seed is {seed}, expected an int from 0 to {MAX_SEED}"):
        build_run(load_config(demo[0], demo[2:]), seed=seed)


def test_largest_seed_can_be_drawn_from_at_any_epoch_and_rank():
    assert seed_problem(MAX_SEED) is None
    for epoch in (-1, 0, 2**31 - 1):
        seed_epoch(MAX_SEED, epoch, 7)
