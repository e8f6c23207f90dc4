import numpy as np
import pytest
import torch
from torchvision.transforms import functional as old

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.data.transforms.grayscale import Grayscale
from tbpsbench.data.transforms.random_pick import RandomPick
from tbpsbench.data.transforms.rotation import Rotation
from tbpsbench.errors import RegistryError

CONTEXT = {"size": (24, 10), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
FLIP, GREY = {"type": "HorizontalFlip", "p": 1.0}, {"type": "Grayscale", "p": 1.0}


@pytest.fixture
def image():
    return torch.randint(0, 256, (3, 24, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_two_of_three_with_replacement_come_up_as_often_as_they_should(image):
    pick, numbers = RandomPick(**CONTEXT, transforms=[FLIP, GREY, {"type": "Rotation", "degrees": 0.0}]), rng()
    grey = old.rgb_to_grayscale(image, 3)
    outcomes = {"none or two flips": image, "flip": image.flip(-1), "grey": grey, "both": grey.flip(-1)}
    counts = dict.fromkeys(outcomes, 0)
    for _ in range(1800):
        result = pick(image.clone(), numbers)
        # Grey taken twice differs from grey by a rounding.
        near = {name: (result.float() - expected.float()).abs().max() for name, expected in outcomes.items()}
        counts[min(near, key=near.get)] += near[min(near, key=near.get)] <= 1
    # Nine equally likely pairs.
    expected = {"none or two flips": 2 / 9, "flip": 2 / 9, "grey": 3 / 9, "both": 2 / 9}
    for name, share in expected.items():
        assert counts[name] / 1800 == pytest.approx(share, abs=0.04)


def test_without_replacement_each_is_applied_once(image):
    pick = RandomPick(**CONTEXT, transforms=[FLIP, GREY], replace=False)
    assert torch.equal(pick(image.clone(), rng()), old.rgb_to_grayscale(image, 3).flip(-1))


def test_bad_counts_and_names_are_refused():
    with pytest.raises(ValueError, match="cannot draw 2 of 1 transforms once each"):
        RandomPick(**CONTEXT, transforms=[FLIP], replace=False)
    with pytest.raises(ValueError, match="cannot draw 2 of 0"):
        RandomPick(**CONTEXT, transforms=[])
    with pytest.raises(RegistryError, match=r"transforms\.0.*'Flip'"):
        RandomPick(**CONTEXT, transforms=[{"type": "Flip"}])


def test_static_check_looks_inside():
    inner = "[dict(type='RandomPick', transforms=[dict(type='Grayscale', pp=1)]), dict(type='Normalize')]"
    (problem,) = check(load_config("configs/mini/two-tower_mini-pedes.py", [f"data.transforms={inner}"]))
    assert str(problem).startswith("data.transforms.0.transforms.0.pp: Grayscale has no argument 'pp'")


def test_grayscale_equals_torchvision_with_its_probability(image):
    assert torch.equal(Grayscale(p=1.0)(image, rng()), old.rgb_to_grayscale(image, 3))
    numbers, grey = rng(), Grayscale(p=0.3)
    assert np.mean([grey(image, numbers) is not image for _ in range(1000)]) == pytest.approx(0.3, abs=0.05)


def test_rotation_equals_torchvision_with_the_same_angle(image):
    angle = rng(3).uniform(-20, 20)
    assert torch.equal(Rotation(20)(image, rng(3)), old.rotate(image, angle))
    assert torch.equal(Rotation(0)(image, rng()), image)
    with pytest.raises(ValueError, match=r"expected 0\.\.180"):
        Rotation(200)
