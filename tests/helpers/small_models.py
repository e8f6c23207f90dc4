"""Overrides and components that make a model small enough to be trained in seconds, and the data it is trained on."""

import os

CLIP = "arch=dict(embed_dim=16, width=32, layers=1, heads=2"
CLIP_IMAGE = f"model.image_encoder=dict(type='CLIPImage', img_size=(48, 24), {CLIP}, patch_size=8)"
CLIP_TEXT = f"model.text_encoder=dict(type='CLIPText', {CLIP}, vocab_size=49408, context_length=48)"
CLIP_TOKENS = "data.tokenizer=dict(type='CLIPBPE', context_length=48)"
# With batch norm.
CONV_VIT = (
    "model.image_encoder=dict(type='ViT', arch=dict(embed_dims=32, num_layers=1, num_heads=2, "
    "feedforward_channels=64), img_size=(48, 24), patch_size=8, stem='conv', stem_norm='batch', pooling='mean')"
)
VIT_AND_BERT = [
    "model.image_encoder.arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32)",
    "model.image_encoder.img_size=(48, 24)",
    "model.image_encoder.patch_size=8",
    "model.text_encoder.arch=dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, "
    "max_position_embeddings=64)",
]


def vit(layers=1):
    """The component of an image encoder for pictures of 32 x 16."""
    return {
        "type": "ViT",
        "arch": {"embed_dims": 16, "num_layers": layers, "num_heads": 2, "feedforward_channels": 32},
        "img_size": (32, 16),
        "patch_size": 8,
    }


def tiny_clip_text():
    """The text tower of CLIP_TEXT at CLIP's own 77 positions."""
    from tbpsbench.backbones.clip_text import CLIPText

    return CLIPText({"embed_dim": 16, "width": 32, "layers": 1, "heads": 2})


def tiny_mini_pedes(tmp_path_factory):
    """Root of a tiny MiniPEDES, made once and shared by all test processes."""
    from tbpsbench.data.mini_pedes import MiniPEDES

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "MiniPEDES"
    MiniPEDES(str(root), size="tiny").prepare()
    return root
