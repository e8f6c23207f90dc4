"""Inputs of the selective scan for tests."""

import torch

NAMES = ("u", "dt", "A", "B", "C", "D", "z", "bias")


def inputs(length, batch=2, channels=3, state=4, dtype=torch.float64, seed=0, grad=True, without=(), bias=0.0):
    """The eight arguments, normal; rates are log-normal and negative.

    Args:
        without: names of those that are None.
        bias: mean of the bias of the step sizes.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    made = [
        draw(batch, length, channels),
        draw(batch, length, channels),
        -draw(channels, state).exp(),
        draw(batch, length, state),
        draw(batch, length, state),
        draw(channels),
        draw(batch, length, channels),
        draw(channels) + bias,
    ]
    return [None if name in without else x.requires_grad_(grad) for name, x in zip(NAMES, made, strict=True)]
