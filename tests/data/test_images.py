import io

import numpy as np
import pytest
import torch
from cases import refusal, within_limits
from PIL import Image
from torchvision.transforms import functional

from tbpsbench.data.images import BadImageError, DecodedImages, decode, load_image
from tbpsbench.data.preprocess import Preprocess
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


RAMP = np.linspace(0, 1, 256).reshape(16, 16)
DEEP = {
    "PNG of 16 bits": ((RAMP * 65535).astype(np.uint16), "PNG"),
    "TIFF of 16 bits": ((RAMP * 65535).astype(np.uint16), "TIFF"),
    "TIFF of 32 bits with the values of 16": ((RAMP * 65535).astype(np.int32), "TIFF"),
    "TIFF of 32 bits": ((RAMP * (2**31 - 1)).astype(np.int32), "TIFF"),
    "PGM of 16 bits": ((RAMP * 65535).astype(np.int32), "PPM"),
    "fractions": (RAMP.astype(np.float32), "TIFF"),
    "fractions up to 255": ((RAMP * 255).astype(np.float32), "TIFF"),
    "fractions up to 65535": ((RAMP * 65535).astype(np.float32), "TIFF"),
}


@pytest.mark.parametrize("what", DEEP)
def test_more_than_eight_bits_keep_their_tones(what):
    pixels, kind = DEEP[what]
    image = decode(encoded(Image.fromarray(pixels), kind))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2))


def test_a_picture_that_is_opened_already_keeps_its_tones_too():
    preprocess = Preprocess((16, 16), "bilinear", (0, 0, 0), (1, 1, 1), ({"type": "Normalize"},))
    deep = preprocess(Image.fromarray((RAMP * 65535).astype(np.uint16)))
    assert torch.equal(deep, preprocess(Image.fromarray((RAMP * 255).round().astype(np.uint8))))
    with pytest.raises(DataError, match="no numbers"):
        preprocess(Image.fromarray(np.full((4, 4), np.nan, np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_values_that_mean_no_tone_are_refused(value):
    pixels = RAMP.astype(np.float32)
    pixels[3, 3] = value
    with pytest.raises(BadImageError, match=r"no numbers|more than 65535"):
        decode(encoded(Image.fromarray(pixels), "TIFF"))


TURNS = {1: 0, 6: 3, 3: 2, 8: 1}  # EXIF orientation -> quarter turns to the left that bring the image upright


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_says(kind, orientation):
    image, exif = photo(20, 40), Image.Exif()
    exif[0x0112] = orientation
    stream, plain = io.BytesIO(), io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    image.save(stream, kind, exif=exif, **options)
    image.save(plain, kind, **options)
    found, raw = np.asarray(decode(stream.getvalue())), np.asarray(decode(plain.getvalue()))
    mirrored = {2: raw[:, ::-1], 4: raw[::-1], 5: raw.transpose(1, 0, 2), 7: raw[::-1, ::-1].transpose(1, 0, 2)}
    expected = mirrored[orientation] if orientation in mirrored else np.rot90(raw, TURNS[orientation])
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0MM", b"Exif\0\0" + b"\xff" * 50])
def test_damaged_exif_does_not_make_the_image_unusable(exif):
    stream = io.BytesIO()
    photo().save(stream, "JPEG", exif=exif)
    assert decode(stream.getvalue()).size == (30, 70)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(mode):
    image = Image.new(mode, (8, 16)) if mode in ("LAB", "I;16") else Image.new("RGB", (8, 16), "red").convert(mode)
    assert decode(encoded(image, "TIFF")).mode == "RGB"


def test_what_pillow_may_raise_names_the_file_all_the_same(tmp_path):
    """Every byte of the headers of several formats, changed: no other error than ours comes out."""
    rng = np.random.default_rng(0)
    for kind in ("PNG", "GIF", "TIFF", "DDS", "TGA", "ICO", "BMP", "PCX", "SGI"):
        data = encoded(photo(8, 8), kind)
        for _ in range(60):
            changed = bytearray(data)
            changed[rng.integers(min(len(data), 150))] = rng.integers(256)
            (tmp_path / "odd.png").write_bytes(changed)
            error = refusal(DecodedImages(tmp_path, ["odd.png"], (8, 8)).__getitem__, 0)
            assert error is None or "odd.png" in str(error)


def test_a_bomb_of_pixels_is_refused_before_it_is_decoded():
    stream = io.BytesIO()
    Image.new("1", (20_000, 5_000)).save(stream, "PNG")
    with within_limits(), pytest.raises(BadImageError, match="too many pixels"):
        decode(stream.getvalue())


def test_no_program_is_run_to_draw_an_image():
    with pytest.raises(BadImageError, match="EPS is a program"):
        decode(encoded(photo(), "EPS"))


def test_damage_behind_the_first_frame_is_no_matter():
    frames = [Image.fromarray(np.full((40, 20, 3), grey, np.uint8)) for grey in (50, 100, 150, 200)]
    file = io.BytesIO()
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:])
    for share in (0.5, 0.7):
        data = file.getvalue()[: int(len(file.getvalue()) * share)]
        with pytest.warns(UserWarning, match="Corrupt EXIF"):
            assert (np.asarray(decode(data)) == 50).all()
