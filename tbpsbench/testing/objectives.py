"""Contracts of what is optimised: losses and balancers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tbpsbench import registry
from tbpsbench.model.base import odd_output
from tbpsbench.testing.compare import assert_close, check_state
from tbpsbench.testing.toy import (
    WIDTH,
    Component,
    handed,
    reads_what_it_requires,
    roles_read,
    toy_batch,
    toy_dims,
    toy_features,
)
from tbpsbench.types import LossOutput

USUAL = (0, 0, 1, 2, 2, 3)


def check_loss(config: Component, width: int = WIDTH) -> None:
    """A loss gives a finite scalar whoever is in the batch, teaches what it requires, and repeats itself."""
    entry = registry.LOSSES.entry(config["type"])
    roles, names = roles_read(entry, config), entry.resolve(entry.requires, config)
    dims = toy_dims(width, roles, names)
    for pids in (USUAL, (5, 5, 5, 5), (0, 1, 2, 3), (0,)):
        loss = registry.LOSSES.build(config, "loss", {"dims": dims})
        batch = toy_batch(pids, roles=roles)
        features = handed(toy_features(batch, width, names=names), names)
        with reads_what_it_requires(config["type"], names):
            output = loss(features, batch)
        assert isinstance(output, LossOutput), f"forward returned {type(output).__name__}, expected LossOutput"
        value = output.value
        assert value.ndim == 0, f"the value has shape {tuple(value.shape)}, expected a scalar"
        assert torch.isfinite(value), f"the value is {value} for identities {pids}, expected a finite number"
        odd = odd_output(output)
        assert odd is None, odd
        if output.per_sample is not None:
            reduced = output.per_sample.mean() if output.reduction == "mean" else output.per_sample.sum()
            assert_close(value, reduced, f"the value is not the {output.reduction} of per_sample, expected it to be")
        read = [features[name] for name in names if name in features]
        if value.requires_grad:
            value.backward()
        grads = [tensor.grad for tensor in read if tensor.grad is not None]
        assert all(torch.isfinite(grad).all() for grad in grads), (
            f"a gradient is not finite for identities {pids}, expected numbers"
        )
        # One identity alone, or a single pair, may teach nothing; the usual batch must.
        assert pids != USUAL or any(bool((grad != 0).any()) for grad in grads), (
            "no required feature gets a gradient, expected one that is not zero: nothing would be learnt. Is the value "
            "detached, or does the loss not require what it reads?"
        )
    loss.eval()
    assert_close(
        loss(features, batch).value, loss(features, batch).value,
        "two calls on one batch gave different values in evaluation, expected equal ones",
    )  # fmt: skip
    check_state(loss, registry.LOSSES.build(config, "loss", {"dims": dims}))


def check_balancer(config: Component) -> None:
    """A balancer weighs losses without touching gradients, learns in training alone, and goes on from what it saved.

    The losses are called "first", "second" and "third" and share the layer "shared"; the third is a regulariser.
    """
    names = {"names": ("first", "second", "third"), "balanced": ("first", "second")}
    torch.manual_seed(0)
    model = nn.ModuleDict({"shared": nn.Linear(WIDTH, WIDTH), "last": nn.Linear(WIDTH, 3)})
    balancers = [registry.BALANCERS.build(config, "balancer", names) for _ in range(2)]
    for balancer in balancers:
        balancer.attach(model)
        assert not list(balancer.parameters()), (
            "the balancer has parameters, expected none: task weights are buffers, or the network's optimiser would "
            "move them"
        )

    def step(balancer: Any, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(seed))
        values = model["last"](model["shared"](x).tanh()).square().mean(0) * torch.tensor([1.0, 30.0, 0.1])
        losses = {name: LossOutput(value) for name, value in zip(names["names"], values, strict=True)}
        model.zero_grad()
        total, log = balancer(losses)
        assert total.ndim == 0, f"the total has shape {tuple(total.shape)}, expected a scalar"
        assert torch.isfinite(total), f"the total is {total}, expected a finite number"
        assert all(p.grad is None for p in model.parameters()), (
            "the balancer filled gradients of the network, expected none before the total's own backward pass"
        )
        assert total.requires_grad, "the total has no gradient, expected one: nothing would be learnt"
        total.backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters()), (
            "a layer's gradient is missing or not finite, expected numbers from every loss"
        )
        return total.detach(), log

    for seed in range(5):
        step(balancers[0], seed)
    check_state(*balancers)
    for seed in range(5, 8):
        (one, log), (other, other_log) = step(balancers[0], seed), step(balancers[1], seed)
        assert torch.equal(one, other), "the total differs after saving and loading, expected equal ones"
        assert log.keys() == other_log.keys(), (
            f"the log differs after saving and loading ({sorted(log.keys() ^ other_log.keys())}), expected equal names"
        )
        assert all(torch.equal(torch.as_tensor(log[key]), torch.as_tensor(other_log[key])) for key in log), (
            "a logged value differs after saving and loading, expected equal ones"
        )
    before = {key: value.clone() for key, value in balancers[0].eval().state_dict().items()}
    step(balancers[0], 8)
    for key, value in balancers[0].state_dict().items():
        assert torch.equal(value, before[key]), f"{key} changed in evaluation, expected training alone to change it"
