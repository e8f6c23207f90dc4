"""Pairs for losses that compare the two sides of the head "global"."""

import math

import numpy as np
import torch
from torch.nn.functional import normalize

from tbpsbench.types import Batch, Embedding, Features

WAVES_PID = (0, 0, 1, 2)


def pairs(image, text, pid, weight=None):
    """Features and batch of these pairs.

    Args:
        image, text: (B, D) each, tensors or arrays.
        pid: identity of each pair.
        weight: of each pair; None for 1.
    """
    image, text, pid = (torch.as_tensor(x) for x in (image, text, pid))
    weight = torch.ones(len(pid)) if weight is None else torch.as_tensor(weight)
    zeros = torch.zeros(len(pid), dtype=torch.long)
    return Features(heads={"global": Embedding(image, text)}), Batch(None, {}, pid, zeros, zeros, zeros, weight)


def waves(pid=WAVES_PID):
    """Four pairs of 6 sines and cosines, normalised: inputs that anybody can write down, for golden values."""
    steps = torch.arange(1, 25, dtype=torch.float64).reshape(4, 6)
    return pairs(normalize(steps.sin(), dim=1), normalize(steps.cos(), dim=1), pid)


def log_shares(image, text, temperature):
    """The logarithm of a softmax over the batch, pair by pair in float64: (row, column, value), both directions."""
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    for logits in (image @ text.T / temperature, text @ image.T / temperature):
        for i, row in enumerate(logits):
            log_sum = math.log(sum(math.exp(x) for x in row))
            yield from ((i, j, x - log_sum) for j, x in enumerate(row))
