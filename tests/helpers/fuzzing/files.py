"""Targets that are files of bytes: pictures, weights, a permutation of captions."""

import io

import numpy as np
import torch
from PIL import Image, features
from safetensors.torch import save as save_safetensors

from fuzzing.target import Target
from fuzzing.texts import written
from tbpsbench.data.images import DecodedImages
from tbpsbench.data.noise import caption_permutation
from tbpsbench.weights.checkpoint import read_described
from tbpsbench.weights.files import read_state_dict


def _pictures():
    ramp = np.linspace(0, 65535, 24 * 12).reshape(24, 12)
    grey = Image.fromarray(ramp.astype(np.uint16))
    colour = Image.fromarray((ramp / 257).astype(np.uint8)).convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "JPEG2000", "TGA", "PPM", "ICO", "DDS", "PCX", "SGI", "ICNS", "MPO")
    made = [(colour, kind, {}) for kind in (*kinds, "EPS")]
    made += [(grey, "PNG", {}), (colour.convert("1"), "PNG", {}), (colour.convert("LA"), "PNG", {})]
    made += [(colour.convert("P"), "PNG", {"transparency": 1}), (colour.convert("CMYK"), "JPEG", {})]
    made += [(colour, "JPEG", {"exif": turned}), (colour, "TIFF", {"compression": "tiff_lzw"}), (grey, "TIFF", {})]
    made += [(Image.fromarray(ramp.astype(kind)), "TIFF", {}) for kind in (np.float32, np.int32)]
    if features.check("avif"):
        made.append((colour, "AVIF", {}))
    found = []
    for image, kind, options in made:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


def _saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _states():
    """Plain weights in every form, and tensors that are none."""
    plain = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(3, dtype=torch.float16)}
    odd = [
        torch.eye(2).to_sparse(), torch.eye(2).to_sparse_csr(), torch.zeros(2, dtype=torch.complex64),
        torch.zeros(1).expand(1 << 40), torch.zeros(2, device="meta"), torch.zeros(2, dtype=torch.float8_e4m3fn),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    ]  # fmt: skip
    described = {"state_dict": plain, "tbpsbench": {"format": 2, "name": "x", "config": "{}"}}
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
    found = [_saved(plain), _saved(plain, _use_new_zipfile_serialization=False), save_safetensors(plain)]
    found += [script.getvalue(), _saved(described), _saved({"model": plain})]
    found += [_saved({"a": value}) for value in odd]
    return found + [_saved({key: torch.ones(1)}) for key in ("\ud800", "x\n", 1)]


def _read_weights(data, folder):
    suffix = ".safetensors" if data[8:9] == b"{" else ".pth"
    read_state_dict(written(data, folder, f"odd{suffix}"))


def _permutation():
    buffer = io.BytesIO()
    np.save(buffer, np.arange(10))
    return [buffer.getvalue()]


def _read_picture(data, folder):
    DecodedImages(folder, [written(data, folder, "odd").name], (16, 8))[0]


def _read_permutation(data, folder):
    caption_permutation(str(written(data, folder, "odd.npy")), 10, 0)


TARGETS = (
    Target("image", _pictures, _read_picture),
    Target("weights", _states, _read_weights),
    Target("checkpoint", lambda: _states()[:5], lambda data, folder: read_described(written(data, folder, "odd.pth"))),
    Target("noise", _permutation, _read_permutation),
)
