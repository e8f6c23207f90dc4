import numpy as np
import pytest
import torch
from PIL import Image

from tbpsbench.config.load import load_config
from tbpsbench.config.settings import Settings
from tbpsbench.data.images import load_image
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.errors import DataError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_file_becomes_what_the_formula_says(photo, interpolation):
    seen = Preprocess((24, 12), interpolation, MEAN, STD)(photo)
    pixels = torch.from_numpy(load_image(photo, (24, 12), interpolation)).double() / 255
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (MEAN, STD))
    torch.testing.assert_close(seen.double(), (pixels - mean) / std, rtol=1e-5, atol=1e-6)


def test_only_what_is_not_random_is_kept_and_survives_json(photo):
    section = Settings.of(load_config("configs/mini/two-tower_mini-pedes.py").values).data
    preprocess = Preprocess.of(section)
    assert preprocess.transforms == ({"type": "Normalize"},)
    assert torch.equal(preprocess(photo), preprocess(photo))
    again = Preprocess(**preprocess.to_json())
    assert torch.equal(again(photo), preprocess(photo))
    assert again.to_json() == preprocess.to_json()


def test_grey_and_transparent_pictures_are_read_as_rgb(tmp_path):
    preprocess = Preprocess((4, 4), "bilinear", MEAN, STD)
    grey = Image.new("L", (4, 4), 200)
    assert torch.equal(preprocess(grey), preprocess(Image.new("RGB", (4, 4), (200, 200, 200))))
    assert preprocess(Image.new("RGBA", (9, 9))).shape == (3, 4, 4)
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"cut\.png: "):
        preprocess(tmp_path / "cut.png")


@pytest.mark.parametrize(
    "picture", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 0, 3), np.uint8), Image.new("RGB", (0, 5))]
)
def test_a_picture_without_pixels_is_not_taken_for_a_black_one(picture):
    with pytest.raises(DataError, match="has no pixels: an empty crop"):
        Preprocess((4, 4), "bilinear", MEAN, STD)(picture)
