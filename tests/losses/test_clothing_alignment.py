import pytest
import torch

from tbpsbench import testing
from tbpsbench.errors import RegistryError
from tbpsbench.losses.clothing_alignment import ClothingAlignment
from tbpsbench.losses.infonce import InfoNCE
from tbpsbench.registry import LOSSES
from tbpsbench.types import Features

DIMS = {"clothing_ungated": 4, "text.clothing.pooled": 6}


def make(pids=(0, 0, 1, 2, 2), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(len(pids), width, dtype=dtype, generator=generator) for name, width in DIMS.items()}
    return Features({name: tensor.requires_grad_() for name, tensor in tensors.items()}), testing.toy_batch(pids)


def by_loop(image, text, temperature):
    """Eq. 1 of the BDAM paper, pair by pair."""
    image = [row / row.norm() for row in image]
    text = [row / row.norm() for row in text]
    total = 0.0
    for i, row in enumerate(image):
        scores = [((row @ other) / temperature).exp() for other in text]
        total -= (scores[i] / sum(scores)).log()
    return total / len(image)


@pytest.mark.parametrize("pids", [(0, 0, 1, 2, 2), (3, 3, 3), (0,)])
@pytest.mark.parametrize("dim", [None, 6, 3])
def test_value_equals_the_definition(pids, dim):
    features, batch = make(pids)
    loss = ClothingAlignment(DIMS, dim=dim, temperature=0.3).double()
    out = loss(features, batch)
    image, text = loss.project_image(features["clothing_ungated"]), loss.project_text(features["text.clothing.pooled"])
    torch.testing.assert_close(out.value, by_loop(image, text, 0.3))
    assert len(out.per_sample) == len(pids)


def test_text_passes_a_projection_only_where_widths_differ():
    assert isinstance(ClothingAlignment(DIMS).project_text, torch.nn.Identity)
    narrow = ClothingAlignment(DIMS, dim=3)
    assert (narrow.project_image.out_features, narrow.project_text.out_features) == (3, 3)
    assert ClothingAlignment(DIMS).project_image.out_features == DIMS["text.clothing.pooled"]


def test_gradient_in_float64():
    features, batch = make()
    loss = ClothingAlignment(DIMS, dim=3, temperature=0.5, learnable=True).double()

    def value(image, text):
        return loss(Features({"clothing_ungated": image, "text.clothing.pooled": text}), batch).value

    assert torch.autograd.gradcheck(value, tuple(features.tensors.values()))


def test_options_are_those_of_infonce():
    features, batch = make()
    loss = ClothingAlignment(DIMS, symmetric=True, positives="identity", temperature=0.1).double()
    projected = Features({"a": loss.project_image(features["clothing_ungated"]), "b": features["text.clothing.pooled"]})
    same = InfoNCE("a", "b", 0.1, symmetric=True, positives="identity").double()
    torch.testing.assert_close(loss(features, batch).value, same(projected, batch).value)


def test_half_precision_features_meet_float32_weights():
    features, batch = make(dtype=torch.bfloat16)
    assert ClothingAlignment(DIMS)(features, batch).value.dtype == torch.float32


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"dim": -3}, {"temperature": float("nan")}])
def test_width_and_temperature_must_be_positive(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive"):
        ClothingAlignment(DIMS, **wrong)


def test_feature_that_nobody_makes_is_named():
    with pytest.raises(RegistryError, match=r"no feature 'text\.clothing\.pooled'; there are: clothing_ungated"):
        LOSSES.build({"type": "ClothingAlignment"}, "loss", {"dims": {"clothing_ungated": 4}})
