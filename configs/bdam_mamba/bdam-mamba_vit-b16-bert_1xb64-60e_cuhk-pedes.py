"""BDAM with Mamba fusion on CUHK-PEDES, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/cuhk-pedes.py", "../_base_/systems/bdam-mamba_vit-b16_bert-base.py"]
