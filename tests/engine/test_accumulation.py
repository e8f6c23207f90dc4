"""Gradients of several batches make a step; what is left at the end of an epoch makes one of its own."""

import math

import pytest
import torch
from runs import assert_equal, copy_after_epoch, resumed_parts, train_in

from tbpsbench.config.load import load_config
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.run import build_run
from tbpsbench.registry import HOOKS

EVERY = 3
OPTIONS = (f"runtime.accumulate={EVERY}", "schedule.max_epochs=2", "hooks=dict(steps=dict(type='Steps'))")


@pytest.fixture
def steps():
    seen = []

    @HOOKS.register("Steps")
    class Steps(Hook):
        def after_step(self, state):
            seen.append((state.epoch, state.step))
            assert all(not parameter.grad.any() for parameter in state.model.parameters() if parameter.grad is not None)

    yield seen
    HOOKS.remove("Steps")


def test_resumed_run_equals_an_uninterrupted_one_where_batches_are_left_over(demo, tmp_path, monkeypatch, steps):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    copy_after_epoch(monkeypatch, 1, broken)
    training, record = train_in(whole, demo, *OPTIONS)
    monkeypatch.undo()
    batches = len(training.run.training.loader)
    assert batches % EVERY, "the test needs batches that are left over"
    per_epoch = math.ceil(batches / EVERY)
    assert steps == [(number // per_epoch, number + 1) for number in range(2 * per_epoch)]
    assert record["cost"]["steps"] == 2 * per_epoch
    before = len(steps)
    _, resumed = train_in(broken, demo, *OPTIONS)
    assert steps[before:] == steps[per_epoch : 2 * per_epoch]
    assert resumed["cost"]["steps"] == 2 * per_epoch
    assert_equal(resumed_parts(broken), resumed_parts(whole))
    assert record["results"] == resumed["results"]


def test_left_over_batches_count_as_a_mean_of_their_own(demo, tmp_path):
    """Plain SGD by hand: five batches of which two make a step give three, the last one of a single batch."""
    every, rate = 2, 0.05
    options = (
        "schedule=dict(max_epochs=1, type='constant')", f"optimizer=dict(type='SGD', lr={rate})", "param_groups=None",
        "runtime.clip_grad_norm=None", f"runtime.accumulate={every}", "evaluation.selection=last",
    )  # fmt: skip
    training, _ = train_in(tmp_path / "run", demo, *options)
    found = resumed_parts(tmp_path / "run")["state_dict"]
    run = build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0", *options]))
    run.training.set_epoch(0)
    batches = list(run.training.loader)
    assert len(batches) % every
    assert training.progress.steps == math.ceil(len(batches) / every)
    run.model.train()
    parameters = list(run.model.parameters())
    for start in range(0, len(batches), every):
        some = batches[start : start + every]
        losses = [run.model.parse_losses(run.model(batch, mode="loss"))[0] for batch in some]
        gradients = torch.autograd.grad(torch.stack(losses).mean(), parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= rate * gradient
    for name, parameter in run.model.named_parameters():
        torch.testing.assert_close(found[name], parameter.detach(), rtol=1e-4, atol=1e-6, msg=name)
