import pytest
import torch
from torch import nn

from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.registry import PARAM_GROUPS


def model():
    heads = nn.ModuleDict({"tse": nn.Linear(2, 2), "bge": nn.Linear(2, 2)})
    return nn.ModuleDict({"heads": heads, "norm": nn.LayerNorm(2)})


def rates(**arguments):
    parts = model()
    groups = PARAM_GROUPS.build({"type": "RDEGroups", **arguments}, "param_groups")(parts, 1e-5, 4e-5)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    return {name: found[id(p)] for name, p in parts.named_parameters() if id(p) in found}


def test_new_layers_have_a_rate_of_their_own_and_no_bias_decays():
    assert rates() == {
        "heads.tse.weight": (1e-3, 4e-5),
        "heads.tse.bias": (1e-3, 0.0),
        "heads.bge.weight": (1e-5, 4e-5),
        "heads.bge.bias": (2e-5, 0.0),
        "norm.weight": (1e-5, 4e-5),
        "norm.bias": (2e-5, 0.0),
    }


def test_groups_hold_every_parameter_once_and_make_an_optimiser():
    groups = PARAM_GROUPS.build({"type": "RDEGroups"}, "param_groups")(model(), 1e-5, 4e-5)
    assert len(groups) == 4
    assert torch.optim.Adam(groups, lr=1.0).param_groups[0]["lr"] == groups[0]["lr"]


def test_a_name_without_a_parameter_is_an_error_that_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"no parameter begins with 'heads\.tsi\.'.*heads\.bge, heads\.tse"):
        rates(new=("heads.tsi.",))


@pytest.mark.parametrize("wrong", [{"new_lr": -1.0}, {"bias_lr_mult": -1.0}, {"new_lr": float("nan")}])
def test_rates_must_not_be_negative(wrong):
    with pytest.raises(RegistryError, match="must be finite and not negative"):
        rates(**wrong)
