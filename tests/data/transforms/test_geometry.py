"""Flip, pad-crop and resized crop against torchvision with the same parameters."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as old
from torchvision.transforms.v2 import functional

from tbpsbench.data.transforms.flip import HorizontalFlip
from tbpsbench.data.transforms.pad_crop import PadCrop, shift
from tbpsbench.data.transforms.random_resized_crop import RandomResizedCrop


@pytest.fixture
def image():
    return torch.randint(0, 256, (3, 24, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_flip_mirrors_the_width(image):
    assert torch.equal(HorizontalFlip(p=1.0)(image, rng()), old.hflip(image))
    assert torch.equal(HorizontalFlip(p=0.0)(image, rng()), image)


def test_flip_happens_with_its_probability(image):
    flip, numbers = HorizontalFlip(p=0.3), rng()
    share = np.mean([not torch.equal(flip(image, numbers), image) for _ in range(1000)])
    assert 0.25 < share < 0.35


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_a_probability_outside_0_to_1_is_refused(p):
    with pytest.raises(ValueError, match="expected a probability"):
        HorizontalFlip(p=p)


@pytest.mark.parametrize("fill", [0, 114])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (10, 10), (20, 20), (3, 17), (20, 0)])
def test_shift_equals_torchvisions_pad_then_crop(image, top, left, fill):
    expected = old.crop(old.pad(image, 10, fill=fill), top, left, 24, 10)
    assert torch.equal(shift(image, top - 10, left - 10, fill), expected)


def test_pad_crop_keeps_the_size_and_reaches_every_offset(image):
    crop, numbers = PadCrop(padding=1), rng()
    seen = {tuple(crop(image, numbers).flatten().tolist()) for _ in range(300)}
    windows = [shift(image, down, right, 0) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert seen == {tuple(window.flatten().tolist()) for window in windows}


def test_padding_wider_than_the_image_is_allowed(image):
    assert PadCrop(padding=100)(image, rng()).shape == image.shape


def test_resized_crop_equals_torchvision_with_the_same_rectangle(image):
    transform = RandomResizedCrop(size=(12, 8), interpolation="bicubic")
    top, left, height, width = transform.rectangle(24, 10, rng(3))
    crop = image[:, top : top + height, left : left + width]
    expected = functional.resize(crop, [12, 8], functional.InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(transform(image, rng(3)), expected)


def test_resized_crop_rectangles_keep_to_scale_and_ratio():
    transform, numbers = RandomResizedCrop(size=(12, 8), scale=(0.2, 0.6)), rng()
    for _ in range(500):
        top, left, height, width = transform.rectangle(240, 240, numbers)
        assert 0 <= top <= 240 - height
        assert 0 <= left <= 240 - width
        assert 0.19 < height * width / 240**2 < 0.61
        assert 0.74 < width / height < 1.36


def test_resized_crop_falls_back_to_the_centre_where_nothing_fits():
    # The whole area with a ratio between 3/4 and 4/3 cannot be cut from a long, thin image.
    assert RandomResizedCrop(size=(12, 8), scale=(1.0, 1.0)).rectangle(100, 30, rng()) == (30, 0, 40, 30)
