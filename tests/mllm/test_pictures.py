"""A model that is asked sees a picture as training does."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from tbpsbench.data.images import decode
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.messages import Picture
from tbpsbench.mllm.pictures import enlarged

TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6


def noise(mode, size=(300, 400), seed=0):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    return Image.fromarray(values, mode)


def in_sixteen_bits():
    return Image.fromarray(np.linspace(0, 65535, 120_000).reshape(400, 300).astype(np.uint16))


def picture(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return Picture(stream.getvalue())


CHANGED = {
    "turned by EXIF": picture(noise("RGB"), "JPEG", exif=TURNED),
    "transparent": picture(noise("RGBA"), "PNG"),
    "palette": picture(noise("RGB").convert("P"), "PNG", transparency=3),
    "sixteen bits": picture(in_sixteen_bits(), "PNG"),
    "CMYK": picture(noise("CMYK"), "JPEG"),
    "GIF": picture(noise("L"), "GIF"),
}


@pytest.mark.parametrize("case", CHANGED)
@pytest.mark.parametrize("min_pixels", [0, 200_000])
def test_what_servers_show_differently_is_sent_as_training_sees_it(case, min_pixels):
    sent = enlarged(CHANGED[case], min_pixels)
    seen = decode(CHANGED[case].data)
    assert sent.mime == "image/png"
    with Image.open(io.BytesIO(sent.data)) as image:
        assert (image.mode, dict(image.getexif()), image.info) == ("RGB", {}, {})
        expected = seen if not min_pixels else seen.resize(image.size, Image.Resampling.BICUBIC)
        assert np.array_equal(np.asarray(image), np.asarray(expected))
        assert image.width * image.height >= min_pixels
        assert image.width / image.height == pytest.approx(seen.width / seen.height, rel=0.01)


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("L", "JPEG"), ("RGB", "PNG"), ("RGB", "WEBP")])
def test_a_plain_picture_that_is_large_enough_is_sent_as_it_is(mode, kind):
    plain = picture(noise(mode), kind)
    assert enlarged(plain, 120_000).data == plain.data


def test_a_torn_picture_is_refused_before_it_is_sent():
    whole = picture(noise("RGB"), "JPEG")
    with pytest.raises(ItemError, match=r"bad-image.*damaged or truncated"):
        enlarged(Picture(whole.data[:-2000]), 0)
