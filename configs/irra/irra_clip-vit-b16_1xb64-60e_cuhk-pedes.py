"""IRRA on CUHK-PEDES, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/cuhk-pedes.py", "../_base_/systems/irra_clip-vit-b16.py"]
