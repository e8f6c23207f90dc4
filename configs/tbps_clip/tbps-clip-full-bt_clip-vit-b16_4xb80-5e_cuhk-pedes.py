"""TBPS-CLIP-full on CUHK-PEDES with captions translated back at 0.1, from ROOT/back-translated.jsonl (docs/data.md)."""

_base_ = ["tbps-clip-full_clip-vit-b16_4xb80-5e_cuhk-pedes.py"]
data = dict(
    more_captions=["back-translated"],
    text_transforms=[dict(type="CaptionMix", p=0.1), dict(type="WordDrop", p=0.05)],
)
