"""IRRA on RSTPReid, 1 GPU, batch 64, 60 epochs. Global branches see the whole caption; data.mask_shared=True masks it."""

_base_ = [
    "../_base_/recipe/irra.py",
    "../_base_/data/rstp-reid.py",
    "../_base_/schedule/adam_irra_60e.py",
    "../_base_/model/irra_clip-vit-b16.py",
]
