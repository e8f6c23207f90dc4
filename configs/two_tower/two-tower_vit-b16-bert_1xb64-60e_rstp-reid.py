"""ViT-B/16 + BERT-base on RSTPReid, 1 GPU, batch 64, 60 epochs."""

_base_ = [
    "../_base_/recipe/vit.py",
    "../_base_/data/rstp-reid.py",
    "../_base_/model/two-tower_vit-b16_bert-base.py",
    "../_base_/schedule/adamw_60e.py",
]
