"""IRRA on RSTPReid, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/irra_clip-vit-b16.py"]
