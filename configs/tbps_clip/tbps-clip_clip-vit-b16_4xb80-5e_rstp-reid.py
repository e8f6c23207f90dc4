"""TBPS-CLIP on RSTPReid, 4 GPUs, batch 4 x 80, 5 epochs; docs/faithfulness.md says what is left out."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/tbps-clip_clip-vit-b16.py"]
