"""TBPS-CLIP with two views, SimCLR and deletion of words on RSTPReid, 4 GPUs, batch 4 x 80, 5 epochs."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/tbps-clip-full_clip-vit-b16.py"]
