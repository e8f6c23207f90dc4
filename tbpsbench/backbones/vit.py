"""Vision Transformer (Dosovitskiy et al. 2021) on mmpretrain's modules; the BDAM paper uses ViT-B/16 at 224 x 224.

Shapes: B batch, L = 1 + h * w tokens (CLS first), D width, H x W pixels, E heads.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tbpsbench.backbones.base import Encoded, ImageEncoder
from tbpsbench.backbones.stem import ConvStem, init_like_vit
from tbpsbench.backbones.vit_weights import UNUSED, assumed_grid, convert_vit, fit_positions
from tbpsbench.registry import IMAGE_ENCODERS
from tbpsbench.weights.beside import require_same
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.hub import find_weights
from tbpsbench.weights.load import LoadReport, load_into

ARCHS: dict[str, dict[str, int]] = {
    "tiny": {"embed_dims": 192, "num_layers": 12, "num_heads": 3, "feedforward_channels": 768},
    "small": {"embed_dims": 384, "num_layers": 12, "num_heads": 6, "feedforward_channels": 1536},
    "base": {"embed_dims": 768, "num_layers": 12, "num_heads": 12, "feedforward_channels": 3072},
    "large": {"embed_dims": 1024, "num_layers": 24, "num_heads": 16, "feedforward_channels": 4096},
}
REPOSITORIES = {
    "vit-base-patch16-224": "google/vit-base-patch16-224",
    "vit-base-patch16-224-in21k": "google/vit-base-patch16-224-in21k",
    "deit-tiny-patch16-224": "facebook/deit-tiny-patch16-224",
    "deit-small-patch16-224": "facebook/deit-small-patch16-224",
}


@IMAGE_ENCODERS.register(provides=("image.attention",))
class ViT(ImageEncoder):
    """All tokens of a ViT after the last norm, CLS first.

    Args:
        arch: "tiny", "small", "base", "large", or a dict with embed_dims, num_layers, num_heads, feedforward_channels.
        img_size: H, W in pixels.
        patch_size: side of a patch in pixels.
        stem: "patch" (one convolution, as published) or "conv" (see stem.py; learns from far fewer images).
        stem_norm: "group" or "batch", of the convolutional stem.
        pretrained: a weight file or folder, or a name such as "vit-base-patch16-224"; in mmpretrain's, timm's or
            Hugging Face's form. The position grid is resized to `img_size`.
        pooling: the pooled vector is the CLS token, or the mean over patches.
        drop_rate: dropout after the position embedding, the attention and both layers of the MLP.
        attn_drop_rate: dropout on attention weights.
        drop_path_rate: stochastic depth of the last layer, growing linearly from 0.

    Raises:
        ValueError: for an unknown arch or sizes that do not divide.
        CheckpointError: if the weights cannot be had or do not fit key by key.
    """

    def __init__(
        self,
        arch: Literal["tiny", "small", "base", "large"] | dict[str, int] = "base",
        img_size: tuple[int, int] = (224, 224),
        patch_size: int = 16,
        stem: Literal["patch", "conv"] = "patch",
        stem_norm: Literal["group", "batch"] = "group",
        pretrained: str | None = None,
        pooling: Literal["cls", "mean"] = "cls",
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        settings = _settings(arch)
        if pooling not in ("cls", "mean"):
            raise ValueError(f"pooling must be 'cls' or 'mean', got {pooling!r}")
        if stem not in ("patch", "conv"):
            raise ValueError(f"stem must be 'patch' or 'conv', got {stem!r}")
        if pretrained is not None and stem == "conv":
            raise ValueError(
                "pretrained weights are for stem='patch'; no published weights have the convolutional stem"
            )
        self.dim, self.img_size, self.pooling = settings["embed_dims"], tuple(img_size), pooling
        self.num_heads = settings["num_heads"]
        self.vit = _vision_transformer(
            arch=settings,
            img_size=self.img_size,
            patch_size=patch_size,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            layer_cfgs={"attn_drop_rate": attn_drop_rate},
            out_type="raw",
        )
        if stem == "conv":
            self.vit.patch_embed = ConvStem(self.dim, (self.img_size[0], self.img_size[1]), patch_size, stem_norm)
        init_like_vit(self.vit)
        nn.init.trunc_normal_(self.vit.cls_token, std=0.02)
        # Tokens of the convolutional stem are larger than a patch projection's; positions must be heard beside them.
        nn.init.trunc_normal_(self.vit.pos_embed, std=0.02 if stem == "patch" else 0.1)
        self.load_report: LoadReport | None = None if pretrained is None else self.load(pretrained)

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        height, width = self.vit.patch_embed.init_out_size
        return int(height), int(width)

    def load(self, pretrained: str) -> LoadReport:
        """Load published weights (see `pretrained`).

        Raises:
            CheckpointError: if they cannot be had or do not fit.
        """
        source = str(find_weights(pretrained, REPOSITORIES))
        require_same(source, {"num_attention_heads": self.num_heads, "hidden_act": "gelu"})
        state = convert_vit(read_state_dict(source), source)
        assumed = assumed_grid(state, "pos_embed", self.grid_hw)
        state = fit_positions(state, "pos_embed", self.grid_hw, source)
        return load_into(self.vit, state, source=source, allow_unexpected=UNUSED, assumed=assumed)

    def forward(self, image_B3HW: Tensor, *, need_attention: bool = False) -> Encoded:
        """Encode images of `img_size`.

        Raises:
            ValueError: for images of another size.
        """
        if tuple(image_B3HW.shape[-2:]) != self.img_size:
            raise ValueError(
                f"ViT was built for images of {self.img_size} (H, W) and got {tuple(image_B3HW.shape[-2:])}; "
                f"set img_size or the transforms' size"
            )
        patches_BLD, _ = self.vit.patch_embed(image_B3HW)
        x_BLD = torch.cat([self.vit.cls_token.expand(patches_BLD.shape[0], -1, -1), patches_BLD], dim=1)
        x_BLD = self.vit.drop_after_pos(x_BLD + self.vit.pos_embed)
        *layers, last = self.vit.layers
        for layer in layers:
            x_BLD = layer(x_BLD)
        attention_BLL = _attention(last.attn, last.ln1(x_BLD)) if need_attention else None
        x_BLD = self.vit.ln1(last(x_BLD))
        pooled_BD = x_BLD[:, 0] if self.pooling == "cls" else x_BLD[:, 1:].mean(dim=1)
        return Encoded(x_BLD, pooled_BD, prefix=1, attention_BLL=attention_BLL)


def _settings(arch: Any) -> dict[str, int]:
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise ValueError(f"arch {arch!r} is unknown; known: {', '.join(ARCHS)}, or a dict")
        return ARCHS[arch]
    if not isinstance(arch, dict) or set(arch) != set(ARCHS["base"]):
        raise ValueError(f"arch must be one of {', '.join(ARCHS)} or a dict with exactly {', '.join(ARCHS['base'])}")
    if arch["embed_dims"] % arch["num_heads"]:
        raise ValueError(f"embed_dims {arch['embed_dims']} is not divisible by num_heads {arch['num_heads']}")
    return dict(arch)


def _vision_transformer(**settings: Any) -> nn.Module:
    with warnings.catch_warnings():
        # mmcv-lite has no compiled operators, and a plain ViT needs none.
        warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
        from mmpretrain.models.backbones.vision_transformer import VisionTransformer

    return VisionTransformer(**settings)


def _attention(attention: nn.Module, x_BLD: Tensor) -> Tensor:
    """Attention weights (B, L, L) of mmpretrain's MultiheadAttention, averaged over heads, without dropout."""
    B, L, _ = x_BLD.shape
    qkv_3BELd = attention.qkv(x_BLD).reshape(B, L, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query_BELd, key_BELd = qkv_3BELd[0], qkv_3BELd[1]
    logits_BELL = query_BELd @ key_BELd.transpose(-2, -1) * query_BELd.shape[-1] ** -0.5
    return logits_BELL.softmax(dim=-1).mean(dim=1)
