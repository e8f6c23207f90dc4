"""CTGI's training with RDE on CUHK-PEDES: MTG captions alone, text positions stretched from 77 to 248.

1 GPU, batch 64, 60 epochs. `tools/caption.py` makes the captions (docs/captions.md); evaluation asks with people's own.
"""

_base_ = ["../_base_/data/cuhk-pedes.py", "../_base_/systems/rde_clip-vit-b16.py"]
data = dict(captions="mtg", tokenizer=dict(context_length=248))
model = dict(text_encoder=dict(context_length=248), heads=dict(tse=dict(text_length=248)))
# RDE itself gives new layers 1e-3; CTGI names this rate.
param_groups = dict(new_lr=5e-5)
