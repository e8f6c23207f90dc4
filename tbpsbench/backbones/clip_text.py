"""CLIP's text tower (Radford et al. 2021) on open_clip's modules, for texts of 77 tokens and, stretched, up to 248.

Shapes: B batch, T text tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tbpsbench.backbones.base import Encoded, TextEncoder
from tbpsbench.backbones.clip_arch import activation, context_length, text_arch
from tbpsbench.backbones.clip_block import run_blocks
from tbpsbench.backbones.clip_weights import UNUSED, convert_clip, find_clip, fit_text_positions, tower
from tbpsbench.registry import TEXT_ENCODERS
from tbpsbench.types import Tokens
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.load import LoadReport, load_into


@TEXT_ENCODERS.register(provides=("text.ROLE.attention",))
class CLIPText(TextEncoder):
    """All tokens of CLIP's causal text tower through the last norm and the projection.

    The pooled vector is the last real token: the end of the text, whatever id a tokenizer gives it. For CLIP's own it
    is the token with the largest id, as the released code finds it. Tokens after it are encoded and projected too, as
    in IRRA; `mask_BL` tells them apart.

    Args:
        arch: an open_clip model name, or a dict with embed_dim, width, layers and optionally heads (default:
            width / 64), vocab_size (49408), context_length (77) and mlp_ratio (4).
        context_length: longest text; None for the arch's. With pretrained weights, more than theirs stretches their
            positions (77 -> up to 248, see positional.py), fewer cuts them.
        vocab_size: number of token ids; None for the arch's.
        pretrained: a weight file or folder of OpenAI, open_clip or Hugging Face, a tag of open_clip such as "openai",
            or a hub repository.
        quick_gelu: OpenAI's activation. None: what `arch` or the pretrained weights say, True if neither does. Weights
            trained by others (LAION) need False when given as a bare file, which says nothing about it.

    Raises:
        ValueError: for an unknown arch.
        CheckpointError: if the weights cannot be had, do not fit key by key, or cannot be stretched far enough.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = "ViT-B-16",
        context_length: int | None = None,
        vocab_size: int | None = None,
        pretrained: str | None = None,
        quick_gelu: bool | None = None,
    ) -> None:
        super().__init__()
        sizes = text_arch(arch)
        path, said = (None, None) if pretrained is None else find_clip(pretrained, arch)
        quick = next((answer for answer in (quick_gelu, sizes.quick_gelu, said) if answer is not None), True)
        from open_clip.transformer import TextTransformer

        self.dim = sizes.embed_dim
        self.max_length = sizes.context_length if context_length is None else context_length
        self.settled = {"quick_gelu": quick}
        self.text = TextTransformer(
            context_length=self.max_length,
            vocab_size=sizes.vocab_size if vocab_size is None else vocab_size,
            width=sizes.width,
            heads=sizes.heads,
            layers=sizes.layers,
            mlp_ratio=sizes.mlp_ratio,
            output_dim=sizes.embed_dim,
            act_layer=activation(quick),
        )
        self.load_report: LoadReport | None = None if path is None else self.load(str(path))

    @classmethod
    def positions(cls, arguments: Mapping[str, Any]) -> Any:
        given = arguments["context_length"]
        return context_length(arguments["arch"]) if given is None else given

    def load(self, path: str) -> LoadReport:
        """Load the text tower of a CLIP weight file; the image tower in it is left out.

        Raises:
            CheckpointError: if the file cannot be read or does not fit.
        """
        state = tower(convert_clip(read_state_dict(path), path), "text")
        state = fit_text_positions(state, self.max_length, path)
        return load_into(self.text, state, source=path, allow_unexpected=("visual.*", *UNUSED))

    def forward(self, tokens: Tokens, *, need_attention: bool = False) -> Encoded:
        """Encode `tokens.ids` (B, T), T <= max_length.

        Raises:
            ValueError: if the texts are longer than `max_length`.
        """
        T = tokens.ids.shape[1]
        if self.max_length < T:
            raise ValueError(f"texts of {T} tokens, but CLIPText has {self.max_length} positions; set context_length")
        text = self.text
        x_BTD = text.token_embedding(tokens.ids) + text.positional_embedding[:T]
        x_BTD, attention_BTT = run_blocks(text.transformer, x_BTD, text.attn_mask[:T, :T], need_attention)
        tokens_BTD: Tensor = text.ln_final(x_BTD) @ text.text_projection
        rows_B, place_T = (torch.arange(n, device=tokens_BTD.device) for n in tokens_BTD.shape[:2])
        pooled_BD = tokens_BTD[rows_B, (place_T * tokens.mask).amax(dim=-1)]
        return Encoded(tokens_BTD, pooled_BD, mask_BL=tokens.mask, prefix=1, attention_BLL=attention_BTT)
