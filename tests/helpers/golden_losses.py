"""Losses against the numbers in losses_*.npz: value and both gradients of every batch and setting a file holds."""

import re

import numpy as np
import torch
from golden_files import Golden, assert_golden
from loss_pairs import pairs

VALUE, ZERO = 1e-9, 1e-12  # relative; absolute, what sums of logits as large as 1 / temperature leave of a zero
SINGLE = 1e-4  # Relative to the whole array: cosines of float32, times 1 / temperature.


def check_golden_loss(path, name, build, single=False):
    """Compare every entry BATCH/NAME_SETTINGS/loss, as in mid/tal_tau0.015_m0.1/loss.

    Args:
        path: the file.
        name: of the loss in the file.
        build: makes the loss from the entry's settings by name, as in tau=0.015, m=0.1.
        single: the features are float32, and the numbers are met to its rounding.
    """
    golden = Golden(path)
    entries = [found for key in golden if (found := re.fullmatch(rf"(.+)/{name}((?:_[a-z]+[\d.e-]+)*)/loss", key))]
    assert entries, f"{path} holds no {name}"
    for entry in entries:
        batch, stem = entry[1], entry[0].removesuffix("/loss")
        settings = {key: float(value) for key, value in re.findall(r"_([a-z]+)([\d.e-]+)", entry[2])}
        dtype = torch.float32 if single else torch.float64
        sides = {side: golden.tensor(f"{batch}/{side}").to(dtype).requires_grad_() for side in ("image", "text")}
        value = build(**settings)(*pairs(**sides, pid=golden.tensor(f"{batch}/pid"))).value
        value.backward()
        numbers = [(value.detach(), golden[entry[0]], stem)]
        # The released TAL and TRL give NaN where there is no negative; nothing is to be learnt there.
        numbers += [
            (x.grad, np.nan_to_num(golden[f"{stem}/grad_{s}"], nan=0.0), f"{stem}, {s}") for s, x in sides.items()
        ]
        for found, expected, what in numbers:
            if single:
                assert_golden(found, expected, SINGLE)
            else:
                np.testing.assert_allclose(found, expected, rtol=VALUE, atol=ZERO, err_msg=what)
