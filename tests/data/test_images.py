import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from tbpsbench.data.images import BadImageError, DecodedImages, decode, load_image
from tbpsbench.errors import DataError


def photo(width=30, height=70, mode="RGB", seed=0):
    channels = {"RGB": 3, "L": None, "RGBA": 4}[mode]
    shape = (height, width) if channels is None else (height, width, channels)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8), mode)


def encoded(image, kind="JPEG"):
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_an_image_is_resized_as_torchvision_resizes_pillow_images(tmp_path, interpolation):
    (tmp_path / "a.jpg").write_bytes(encoded(photo()))
    with Image.open(tmp_path / "a.jpg") as image:
        mode = functional.InterpolationMode(interpolation)
        expected = functional.pil_to_tensor(functional.resize(image.convert("RGB"), [24, 8], mode))
    assert torch.equal(torch.from_numpy(load_image(tmp_path / "a.jpg", (24, 8), interpolation)), expected)


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("RGBA", "PNG"), ("L", "PNG")])
def test_every_image_becomes_rgb(tmp_path, mode, kind):
    (tmp_path / "a").write_bytes(encoded(photo(mode=mode), kind))
    assert load_image(tmp_path / "a", (24, 8)).shape == (3, 24, 8)


BAD = {
    "empty": (b"", "empty file"),
    "text": (b"<html>404</html>", "not an image"),
    "torn header": (encoded(photo())[:40], "not an image|truncated"),
    "torn jpeg": (encoded(photo())[:-400], "truncated"),
    "torn png": (encoded(photo(), "PNG")[:-400], "truncated"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_bytes_are_refused_with_the_reason(case):
    data, message = BAD[case]
    with pytest.raises(BadImageError, match=message):
        decode(data)


def test_a_missing_image_is_named_when_read_without_a_cache(tmp_path):
    (tmp_path / "b.jpg").write_bytes(encoded(photo()))
    images = DecodedImages(tmp_path, ["a.jpg", "b.jpg"], (24, 8))
    assert images[1].shape == (3, 24, 8)
    with pytest.raises(DataError, match=r"a\.jpg: missing"):
        images[0]
