"""The stages that model and static check share, and roles that others declare."""

import pytest
import torch
from small_models import vit

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.config.schema import with_defaults
from tbpsbench.errors import RegistryError
from tbpsbench.model import roles
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.model.wiring import PATCH_MEAN, required, stages
from tbpsbench.testing import toy_batch

BDAM = "configs/bdam_mamba/bdam-mamba_tiny_mini-pedes.py"
SIZES = {
    "image_encoder": vit(),
    "text_encoder": {
        "type": "BERT",
        "arch": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
        "vocab_size": 50,
    },
}


def small(**changes):
    heads = {"global": {"type": "GlobalHead"}}
    return {**SIZES, "heads": heads, "losses": {"itc": {"type": "InfoNCE"}}, **changes}


def test_stages_stand_in_the_order_of_the_flow():
    model = with_defaults(load_config(BDAM).values)["model"]
    parts = {key: model[key] for key in ("image_encoder", "text_encoder", "heads", "losses", "disentangler", "fuser")}
    found = stages(**parts)
    assert [stage.key for stage in found][:5] == [
        "image_encoder", "text_encoder", "disentangler", "fuser", "heads.global",
    ]  # fmt: skip
    assert {stage.key for stage in found[5:]} == {f"losses.{name}" for name in model["losses"]}
    provided = {"pid"}
    for stage in found:
        missing = {name for name in stage.requires() if name not in provided and not name.startswith("text.")}
        assert not missing, f"{stage.path} reads {missing} before it is made"
        provided |= set(stage.provides())
    assert "text.clothing.pooled" in required(found)


def test_every_width_that_the_model_announces_is_that_of_its_features():
    torch.manual_seed(0)
    model = PersonSearchModel(**small(disentangler={"type": "BDAM", "depth": 1, "heads": 2})).eval()
    features = model.extract(toy_batch())
    assert {"identity", "clothing", "gate", "heads.global.text"} <= set(model.dims) & set(features)
    for name, width in model.dims.items():
        if name in features:
            assert features[name].shape[-1] == width, name


def test_no_disentangler_is_patch_mean_with_the_same_weights():
    torch.manual_seed(0)
    without = PersonSearchModel(**small()).eval()
    torch.manual_seed(0)
    named = PersonSearchModel(**small(disentangler=dict(PATCH_MEAN))).eval()
    assert list(without.state_dict()) == list(named.state_dict())
    batch = toy_batch()
    assert torch.equal(without.extract(batch)["identity"], named.extract(batch)["identity"])


@pytest.fixture
def hair(monkeypatch):
    """A role that a plug-in declares, forgotten afterwards."""
    monkeypatch.setattr(roles, "_descriptions", dict(roles._descriptions))
    return roles.declare("hair", "what the hair looks like")


FUSER = "model.fuser=dict(type='SimpleFuser', text='text.hair.pooled', dim=8, out_dim=8)"
OPTIONS = [FUSER, "model.heads.global.image=fused", "data.descriptions=descriptions"]
DEMO = "configs/mini/two-tower_mini-pedes.py"


def test_the_check_learns_a_role_from_who_declares_it(hair):
    assert check(load_config(DEMO, OPTIONS)) == []
    (problem,) = check(load_config(DEMO, OPTIONS[:2]))
    assert "Texts with the role 'hair' come from data.descriptions" in str(problem)


def test_a_role_that_nobody_declares_is_refused_with_those_that_there_are():
    (problem,) = check(load_config(DEMO, OPTIONS))
    assert "Nobody declares the role 'hair'" in str(problem)
    assert "query, masked, identity, clothing, description" in str(problem)


@pytest.mark.parametrize("name", ["query", "masked", "two words", "a.b", ""])
def test_names_that_cannot_be_roles_are_refused(name):
    with pytest.raises(RegistryError, match="choose a name"):
        roles.declare(name, "anything")


def test_declared_twice_is_one_role(hair):
    assert roles.declare("hair", "again") is hair
    assert roles.role_of("text.hair.tokens") == "hair"
    assert roles.role_of("heads.global.text") is None
    assert roles.role_of("text") is None
