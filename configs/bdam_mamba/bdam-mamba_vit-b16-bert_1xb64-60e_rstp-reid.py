"""BDAM with Mamba fusion on RSTPReid, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/bdam-mamba_vit-b16_bert-base.py"]
