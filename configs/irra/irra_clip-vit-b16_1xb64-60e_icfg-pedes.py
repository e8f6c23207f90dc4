"""IRRA on ICFG-PEDES, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/icfg-pedes.py", "../_base_/systems/irra_clip-vit-b16.py"]
