"""BDAM and Mamba fusion (paper 000) on ICFG-PEDES, 1 GPU, batch 64, 60 epochs."""

_base_ = [
    "../_base_/recipe/bdam.py",
    "../_base_/data/icfg-pedes.py",
    "../_base_/model/bdam-mamba_vit-b16_bert-base.py",
    "../_base_/schedule/adam_bdam_60e.py",
]
