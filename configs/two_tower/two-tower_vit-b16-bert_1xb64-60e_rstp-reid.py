"""ViT-B/16 and BERT-base on RSTPReid, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/two-tower_vit-b16_bert-base.py"]
