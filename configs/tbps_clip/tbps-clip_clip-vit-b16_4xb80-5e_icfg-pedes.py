"""TBPS-CLIP on ICFG-PEDES, 4 GPUs, batch 4 x 80, 5 epochs; docs/faithfulness.md says what is left out."""

_base_ = [
    "../_base_/recipe/tbps_clip.py",
    "../_base_/data/icfg-pedes.py",
    "../_base_/model/clip-vit-b16.py",
    "../_base_/model/tbps-clip_losses.py",
    "../_base_/schedule/adamw_tbps-clip_5e.py",
]
model = dict(image_encoder=dict(img_size=(224, 224)))
