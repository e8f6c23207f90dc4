"""Normalise, erase and jitter against torchvision; the order in which they are applied."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as old
from torchvision.transforms.v2 import functional

from tbpsbench.builtins import BUILTINS
from tbpsbench.data.transforms.color_jitter import ColorJitter
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.data.transforms.erasing import RandomErasing
from tbpsbench.data.transforms.flip import HorizontalFlip
from tbpsbench.data.transforms.grayscale import Grayscale
from tbpsbench.data.transforms.normalize import Normalize
from tbpsbench.data.transforms.pad_crop import PadCrop
from tbpsbench.errors import ConfigError
from tbpsbench.registry import TRANSFORMS

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture
def image():
    return torch.randint(0, 256, (3, 24, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def rng(seed=0):
    return np.random.default_rng(seed)


def normalized(image):
    return old.normalize(image / 255, MEAN, STD)


def test_normalize_equals_torchvision(image):
    torch.testing.assert_close(Normalize(MEAN, STD)(image), normalized(image), atol=1e-6, rtol=1e-6)


def test_normalizing_twice_is_refused(image):
    with pytest.raises(TypeError, match="expected uint8"):
        Normalize(MEAN, STD)(normalized(image))


def test_erasing_writes_the_mean_after_normalisation(image):
    # IRRA's recipe: the rectangle holds the numbers of the mean on the normalised scale.
    erase = RandomErasing(MEAN, p=1.0)
    top, left, height, width = box_of(erase, seed=5)
    expected = normalized(image)
    expected = old.erase(expected, top, left, height, width, torch.tensor(MEAN).view(3, 1, 1))
    torch.testing.assert_close(erase(Normalize(MEAN, STD)(image), rng(5)), expected, atol=1e-6, rtol=1e-6)


def box_of(erase, seed):
    numbers = rng(seed)
    numbers.random()
    return erase.rectangle(24, 10, numbers)


def test_erased_rectangles_keep_to_scale_and_ratio():
    erase, numbers = RandomErasing(MEAN), rng()
    for _ in range(500):
        top, left, height, width = erase.rectangle(384, 128, numbers)
        assert 0 <= top <= 384 - height
        assert 0 <= left <= 128 - width
        assert 0.019 < height * width / (384 * 128) < 0.41
        assert 0.27 < height / width < 3.6


def test_erasing_happens_with_its_probability(image):
    erase, numbers, clean = RandomErasing(MEAN, p=0.5), rng(), normalized(image)
    share = np.mean([not torch.equal(erase(clean.clone(), numbers), clean) for _ in range(1000)])
    assert 0.44 < share < 0.56


def test_erasing_with_noise_or_a_number(image):
    top, left, height, width = box_of(RandomErasing(MEAN, p=1.0), seed=1)
    region = (slice(None), slice(top, top + height), slice(left, left + width))
    assert bool((RandomErasing(MEAN, p=1.0, value=0.0)(normalized(image), rng(1))[region] == 0).all())
    noise = RandomErasing(MEAN, p=1.0, value="random")(normalized(image), rng(1))[region]
    assert len(noise.unique()) == noise.numel()


def test_bad_arguments_of_erasing_are_refused():
    with pytest.raises(ValueError, match="scale"):
        RandomErasing(MEAN, scale=(0.5, 0.1))
    with pytest.raises(ValueError, match="'mean', 'random' or a number"):
        RandomErasing(MEAN, value="grey")


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_jitter_equals_torchvision_with_the_same_factor(image, name):
    numbers = rng(2)
    numbers.random()
    numbers.permutation(["brightness", "contrast", "saturation", "hue"])
    factor = numbers.uniform(-0.3, 0.3) if name == "hue" else numbers.uniform(0.7, 1.3)
    expected = getattr(functional, f"adjust_{name}")(image, factor)
    assert torch.equal(ColorJitter(**{name: 0.3})(image, rng(2)), expected)
    assert not torch.equal(expected, image)


def test_jitter_of_nothing_changes_nothing(image):
    assert torch.equal(ColorJitter()(image, rng()), image)


def test_the_order_of_the_config_is_the_order_of_the_transforms(image):
    steps = [PadCrop(2), Normalize(MEAN, STD), HorizontalFlip()]
    numbers = rng(4)
    expected = steps[2](steps[1](steps[0](image, numbers)), numbers)
    assert torch.equal(Compose(steps, (24, 10))(image, rng(4)), expected)


def test_evaluation_applies_only_what_is_not_random(image):
    steps = [HorizontalFlip(1.0), PadCrop(5), ColorJitter(0.5), Normalize(MEAN, STD), RandomErasing(MEAN, p=1.0)]
    assert torch.equal(Compose(steps, (24, 10)).fixed()(image, rng()), Normalize(MEAN, STD)(image))


def test_a_list_without_normalize_is_refused(image):
    with pytest.raises(ConfigError, match=r"torch.uint8.*The order is: HorizontalFlip"):
        Compose([HorizontalFlip()], (24, 10))(image, rng())


def test_erasing_before_normalize_is_refused(image):
    with pytest.raises(ConfigError, match=r"must come after Normalize.*RandomErasing, Normalize"):
        Compose([RandomErasing(MEAN), Normalize(MEAN, STD)], (24, 10))(image, rng())


@pytest.mark.parametrize("transform", [ColorJitter(brightness=0.1, p=0.0), Grayscale(p=0.0)], ids=["jitter", "grey"])
def test_colours_are_not_changed_after_normalize(image, transform):
    """torchvision would clip the normalised numbers to 0..1, and most of the picture with them."""
    Compose([transform, Normalize(MEAN, STD)], (24, 10))(image.clone(), rng())
    name = type(transform).__name__
    with pytest.raises(ConfigError, match=rf"{name} must come before Normalize.*Normalize, {name}"):
        Compose([Normalize(MEAN, STD), transform], (24, 10))(image, rng())


def test_another_size_than_the_configs_is_refused(image):
    with pytest.raises(ConfigError, match=r"shape \(3, 24, 10\), expected"):
        Compose([Normalize(MEAN, STD)], (32, 16))(image, rng())


@pytest.mark.parametrize("name", BUILTINS["TRANSFORMS"])
def test_every_transform_is_built_from_its_name_and_repeats_itself(name, image):
    context = {"size": (24, 10), "mean": MEAN, "std": STD}
    arguments = {"transforms": [{"type": "HorizontalFlip"}]} if name == "RandomPick" else {}
    transform = TRANSFORMS.build({"type": name, **arguments}, context=context)
    given = normalized(image) if name == "RandomErasing" else image
    first, second = (transform(given.clone(), rng(9)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (3, 24, 10)


@pytest.mark.parametrize(
    ("transform", "what"),
    [
        (PadCrop(fill=-1), "PadCrop: fill is -1"),
        (PadCrop(fill=0.5), "PadCrop: fill is 0.5"),
        (PadCrop(fill=256), "PadCrop: fill is 256"),
        (RandomErasing(MEAN, p=0.0, value=-1.0), "RandomErasing: value is -1.0"),
    ],
)
def test_levels_that_pixels_cannot_have_are_refused_before_normalisation(image, transform, what):
    with pytest.raises(ConfigError, match=f"{what}; before Normalize, expected a whole number of 0 to 255"):
        Compose([transform, Normalize(MEAN, STD)], (24, 10))(image, rng())
    assert Compose([Normalize(MEAN, STD), transform], (24, 10))(image, rng()).shape == (3, 24, 10)
