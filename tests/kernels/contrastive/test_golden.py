"""The released numbers through every form: of the losses, and of IRRA's and RDE's training step for step."""

import importlib.util

import pytest
import torch
from golden_files import Golden, golden_files
from kernel_cases import ROOT

pytest.importorskip("mmengine")

from golden_losses import check_golden_loss

from tbpsbench.losses.cmpm import CMPM
from tbpsbench.losses.infonce import InfoNCE
from tbpsbench.losses.sdm import SDM
from tbpsbench.losses.tal import TAL
from tbpsbench.losses.trl import TRL


def info_nce(t):
    loss = InfoNCE()
    loss.log_scale = -torch.tensor(t, dtype=torch.float64).log()
    return loss


LOSSES = {
    "itc": info_nce,
    "sdm": lambda t: SDM(temperature=t),
    "cmpm": CMPM,
    "tal": lambda tau, m: TAL(temperature=tau, margin=m),
    "trl": lambda tau, m: TRL(temperature=tau, margin=m),
}
TRAINING = {"irra": ("losses", "gradients", "trajectory"), "rde": ("check_losses_and_gradients", "check_trajectory")}


@pytest.mark.parametrize("form", ["torch", "triton small wide", "triton large wide"], indirect=True)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("path", golden_files("losses"), ids=lambda path: path.stem)
def test_golden_losses(path, name, form):
    check_golden_loss(path, name, LOSSES[name], single=form == "triton")


@pytest.mark.parametrize(
    ("system", "check", "form"),
    [(system, check, "torch") for system, checks in TRAINING.items() for check in checks]
    + [(system, checks[-1], "triton small wide") for system, checks in TRAINING.items()],
    indirect=["form"],
)
def test_golden_training(system, check, form):
    pytest.importorskip(f"tbpsbench_{system}")
    source = importlib.util.spec_from_file_location(
        f"golden_{system}", ROOT / "plugins" / system / "tests" / f"test_golden_{system}.py"
    )
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    for path in golden_files(system):
        getattr(module, check)(Golden(path))
