"""What a program in Hugging Face's forms reads beside the graphs: tokenizer, preprocessing, and a config's name.

transformers (`AutoTokenizer`, `AutoImageProcessor`), transformers.js and the package `tokenizers` read them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tbpsbench.data.preprocess import NORMALIZE, Preprocess
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import ConfigError
from tbpsbench.system import System

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
IMAGES, CONFIG = "preprocessor_config.json", "config.json"
FILES = (TOKENIZER, TOKENIZER_CONFIG, IMAGES, CONFIG)
# Pillow's numbers of its filters, as image processors write them.
RESAMPLE = {"bilinear": 2, "bicubic": 3}
MAX_SHOWN = 200
# Share of captions to which a portable tokenizer may give other ids: those that CLIP's own mends before it reads.
MOST_ODD = 0.05


def files(system: System, length: int | None, texts: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The files by name, each as plain data, and what cannot be said in these forms, as sentences.

    Args:
        system: that is exported.
        length: tokens that the text graph takes; None for any number.
        texts: captions on which the tokenizer's ids are compared.

    Raises:
        ConfigError: if the tokenizer's own portable form gives other ids to more than a few captions.
    """
    dim = system.model.joint_dim
    found: dict[str, Any] = {CONFIG: {"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": dim}}
    missing = []
    if (text := system.tokenizer.portable()) is None:
        missing.append(f"{TOKENIZER} is not there: {type(system.tokenizer).__name__} has no such form.")
    else:
        found |= _tokenizer(text, system.tokenizer, length)
        missing += _other_ids(text, system.tokenizer, texts)
    if (pictures := _pictures(system.preprocess)) is None:
        told = ", ".join(str(component["type"]) for component in system.preprocess.transforms)
        missing.append(f"{IMAGES} is not there: pictures go through {told}, which such a file cannot say.")
    else:
        found[IMAGES] = pictures
    return found, missing


def _other_ids(portable: str, tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """What must be said of captions to which the portable form gives other ids."""
    from tokenizers import Tokenizer as Backend

    found = Backend.from_str(portable).encode_batch(list(texts))
    odd = [text for text, one in zip(texts, found, strict=True) if one.ids != tokenizer.encode(text)]
    if not odd:
        return []
    told = f"{len(odd)} of {len(texts)} captions have other ids in {TOKENIZER} than here, e.g. {odd[0]:.{MAX_SHOWN}}"
    if len(odd) > MOST_ODD * len(texts):
        raise ConfigError(f"{type(tokenizer).__name__}.portable(): {told}. Mend it, or let it return None.")
    return [told]


def _tokenizer(portable: str, tokenizer: Tokenizer, length: int | None) -> dict[str, Any]:
    from tokenizers import Tokenizer as Backend

    backend = Backend.from_str(portable)
    pad_id = tokenizer.pad_id
    if length is None and not str(backend.id_to_token(pad_id)).startswith("["):
        # CLIP pads with the id of "!", which programs would then cut out of texts as a special token. A graph of any
        # length ignores padding, so the end token does as well; one of fixed length reads it.
        pad_id = backend.encode("a").ids[-1]
    pad = backend.id_to_token(pad_id)
    backend.enable_padding(pad_id=pad_id, pad_token=pad, length=length)
    return {
        TOKENIZER: json.loads(backend.to_str()),
        TOKENIZER_CONFIG: {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": tokenizer.max_length,
            "model_input_names": ["input_ids", "attention_mask"],
            "pad_token": pad,
        },
    }


def _pictures(preprocess: Preprocess) -> dict[str, Any] | None:
    if list(preprocess.transforms) != [dict(component) for component in NORMALIZE]:
        return None
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": preprocess.size[0], "width": preprocess.size[1]},
        "resample": RESAMPLE[preprocess.interpolation],
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocess.mean),
        "image_std": list(preprocess.std),
        "do_convert_rgb": True,
    }
