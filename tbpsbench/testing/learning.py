"""Contracts of how a model learns, optimisers and schedules, and of a whole model."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from tbpsbench.config.limits import optimizer_problems
from tbpsbench.config.open_sections import OpenSection
from tbpsbench.engine.optim import build_optimizer
from tbpsbench.engine.schedule import LearningRates
from tbpsbench.heads.base import Side
from tbpsbench.model.base import SearchModel, model_of
from tbpsbench.model.roles import MASKED, QUERY, of_training
from tbpsbench.schedules.base import usable
from tbpsbench.testing.compare import Rows, assert_close, assert_rows_alone, check_state
from tbpsbench.testing.toy import Component, picked, toy_batch
from tbpsbench.types import Batch

EPOCHS, STEPS = 8, 3


def check_optimizer(config: Component) -> None:
    """An optimiser trains matrices and vectors at the rate that it is given, and goes on from what it saved."""
    found = [str(problem) for problem in optimizer_problems(config)]
    assert not found, f"the config has problems, expected none: {'; '.join(found)}"
    network = _network()
    optimizer = build_optimizer(config, None, network)
    before = _weights(network)
    _steps(network, optimizer)
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight).all(), f"{name} is not finite after {STEPS} steps, expected numbers"
        assert not torch.equal(weight, before[name]), f"{name} did not move in {STEPS} steps, expected it to learn"
    other = copy.deepcopy(network)
    resumed = build_optimizer(config, None, other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    _steps(network, optimizer)
    _steps(other, resumed)
    for name, weight in other.named_parameters():
        assert torch.equal(weight, dict(network.named_parameters())[name]), (
            f"{name} moves differently after the optimizer was saved and loaded, expected the same bits: what it "
            "remembers belongs into self.state"
        )
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = _weights(network)
    _steps(network, optimizer)
    for name, weight in network.named_parameters():
        assert torch.equal(weight, before[name]), (
            f"{name} moved at a rate of 0, expected that steps follow group['lr'], which the schedule sets at each step"
        )


def check_schedule(config: Component, *, max_epochs: int = EPOCHS) -> None:
    """A schedule gives a rate that can be used at any time of a run, from the time alone.

    Args:
        config: the component, without the keys that every run has.
        max_epochs: of the run.
    """

    def rates() -> LearningRates:
        usual = {"warmup_epochs": 1.0, "warmup_factor": 0.1, "per": "iteration", "max_epochs": max_epochs}
        return LearningRates(OpenSection(**{**usual, **config}))

    schedule, times = rates().schedule, [1 + (max_epochs - 1) * share / 40 for share in range(40)]
    forward = [schedule.factor(time) for time in times]
    for time, factor in zip(times, forward, strict=True):
        assert usable(factor), f"the factor at epoch {time:g} is {factor!r}, expected a finite number, 0 or more"
    backward = [rates().schedule.factor(times[-1]), *(schedule.factor(time) for time in reversed(times[:-1]))]
    assert backward[::-1] == forward, (
        "the factors differ when they are asked for in another order, expected a function of the time alone: a resumed "
        "run asks from the middle"
    )


def check_model(config: Component, roles: tuple[str, ...] = (), size: tuple[int, int] = (32, 16)) -> None:
    """A model embeds either side alone, row by row, teaches every weight that is to be trained, and can be saved.

    Args:
        config: the component; "from_data:NAME" written out. Ids of the texts are below 50.
        roles: text roles of training batches besides the query.
        size: height and width of the images.
    """
    model, batch = model_of(config, roles), toy_batch(size=size, roles=(QUERY, *roles))
    losses = model.train()(batch)
    assert losses, "forward gave no losses, expected at least one: set self.losses, or write compute_losses"
    total, log = model.parse_losses(losses)
    assert torch.isfinite(total), f"the loss is {total}, expected a finite number"
    assert "loss" in log, f"parse_losses logs {', '.join(log)}, expected 'loss' among them"
    if total.requires_grad:
        total.backward()
    idle = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not idle, f"{', '.join(idle)} get no gradient, expected one, or requires_grad=False"
    model.eval()
    with torch.no_grad():
        for side in ("image", "text"):
            together = _embedded(model, batch, side)
            missing = set(model.heads) - {name.split(" ")[0] for name in together}
            assert not missing, f"nothing is embedded for the heads {sorted(missing)}, expected vectors of every head"
            alone = partial(_embedded_rows, model, batch, side)
            assert_rows_alone(together, alone, type(model).__name__)
        _check_apart(model, batch, size)
    check_state(model, model_of(config, roles))


def _check_apart(model: SearchModel, batch: Batch, size: tuple[int, int]) -> None:
    """In a batch of training, too, images are embedded without their captions, and captions without their images."""
    other = toy_batch(size=size, seed=1, roles=[r for r in batch.texts if r != MASKED])
    queries = {role: tokens for role, tokens in other.texts.items() if role == QUERY or of_training(role)}
    changed: dict[Side, Batch] = {
        "image": replace(batch, texts={**batch.texts, **queries}),
        "text": replace(batch, image_B3HW=other.image_B3HW),
    }
    before = model.extract(batch).heads
    for side, given in changed.items():
        partner = "query" if side == "image" else "image"
        for name, embedding in model.extract(given).heads.items():
            if getattr(embedding, side) is None or getattr(before[name], side) is None:
                continue
            compare = model.heads[name].compared
            found, expected = (compare(each, side).values for each in (embedding, before[name]))
            assert_close(
                found, expected,
                f"the {side} side of the head {name!r} changes with the {partner}, expected it to know its own side "
                "alone: in training it would be shown the answer",
            )  # fmt: skip


def _embedded(model: SearchModel, batch: Batch, side: str) -> Rows:
    image_B3HW = batch.image_B3HW if side == "image" else None
    vectors = model.encode_query(batch.texts[QUERY]) if image_B3HW is None else model.encode_gallery(image_B3HW)
    return {f"{name} ({side})": rows.values for name, rows in vectors.items()}


def _embedded_rows(model: SearchModel, batch: Batch, side: str, rows: slice) -> Rows:
    return _embedded(model, picked(batch, rows), side)


def _network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def _steps(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    inputs = torch.randn(STEPS, 6, 5, generator=torch.Generator().manual_seed(1))
    for given in inputs:
        optimizer.zero_grad()
        (network(given) - 1).square().mean().backward()
        optimizer.step()
