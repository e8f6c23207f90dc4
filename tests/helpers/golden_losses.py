"""Losses against the numbers in losses_*.npz: value and both gradients of every batch and setting a file holds."""

import re

import numpy as np
from golden_files import Golden
from loss_pairs import pairs

VALUE, ZERO = 1e-9, 1e-12  # relative; absolute, what sums of logits as large as 1 / temperature leave of a zero


def check_golden_loss(path, name, build):
    """Compare every entry BATCH/NAME_SETTINGS/loss, as in mid/tal_tau0.015_m0.1/loss.

    Args:
        path: the file.
        name: of the loss in the file.
        build: makes the loss from the entry's settings by name, as in tau=0.015, m=0.1.
    """
    golden = Golden(path)
    entries = [found for key in golden if (found := re.fullmatch(rf"(.+)/{name}((?:_[a-z]+[\d.e-]+)*)/loss", key))]
    assert entries, f"{path} holds no {name}"
    for entry in entries:
        batch, stem = entry[1], entry[0].removesuffix("/loss")
        settings = {key: float(value) for key, value in re.findall(r"_([a-z]+)([\d.e-]+)", entry[2])}
        sides = {side: golden.tensor(f"{batch}/{side}").requires_grad_() for side in ("image", "text")}
        value = build(**settings)(*pairs(**sides, pid=golden.tensor(f"{batch}/pid"))).value
        value.backward()
        np.testing.assert_allclose(value.item(), golden[entry[0]], rtol=VALUE, atol=ZERO, err_msg=stem)
        for side, tensor in sides.items():
            # The released TAL and TRL give NaN where there is no negative; nothing is to be learnt there.
            expected = np.nan_to_num(golden[f"{stem}/grad_{side}"], nan=0.0)
            np.testing.assert_allclose(tensor.grad, expected, rtol=VALUE, atol=ZERO, err_msg=f"{stem}, {side}")
