"""ViT-B/16 and BERT-base on CUHK-PEDES, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/cuhk-pedes.py", "../_base_/systems/two-tower_vit-b16_bert-base.py"]
