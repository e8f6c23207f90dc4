"""CLIP ViT-B/16 fine-tuned with InfoNCE at scale 50 in IRRA's recipe, on RSTPReid, 1 GPU, batch 64, 60 epochs."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/clip_clip-vit-b16.py"]
