"""Thumbnails hold pixels and nothing else."""

import io

import numpy as np
import pytest
from PIL import Image

from tbpsbench.app.thumbnails import HEIGHT, WIDTH, Thumbnails, encode


def test_nothing_of_a_file_but_its_pixels_comes_through():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1000, 500, 3), np.uint8))
    picture.info.update(
        comment=b"secret-words", exif=b"Exif\0\0secret-words", icc_profile=b"secret-words", xmp=b"secret-words"
    )
    data = encode(picture)
    assert b"secret-words" not in data
    found = Image.open(io.BytesIO(data))
    assert found.format == "JPEG"
    assert found.size == (WIDTH // 2, HEIGHT)


def test_small_pictures_keep_their_size():
    assert Image.open(io.BytesIO(encode(Image.new("RGB", (48, 96))))).size == (48, 96)


class Pictures:
    """Stands for `Systems`: counts what is decoded."""

    def __init__(self):
        self.decoded = []

    def picture(self, position):
        self.decoded.append(position)
        return Image.new("RGB", (8, 8), (position, 0, 0))


def test_the_last_ones_are_kept_within_bounds():
    pictures = Pictures()
    size = len(encode(Image.new("RGB", (8, 8))))
    thumbnails = Thumbnails(pictures, most_bytes=int(2.5 * size))
    for position in (0, 1, 0, 2, 0, 1):
        thumbnails.get(position)
    assert pictures.decoded == [0, 1, 2, 1], "0 was used last when 2 came, so 1 had to go"


def test_the_same_picture_is_the_same_file(systems):
    pytest.importorskip("fastapi")
    assert Thumbnails(systems[1]).get(3) == Thumbnails(systems[1]).get(3)
