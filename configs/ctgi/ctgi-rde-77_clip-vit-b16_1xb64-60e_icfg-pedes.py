"""CTGI's training with RDE on ICFG-PEDES: MTG captions alone, at CLIP's own 77 text positions.

1 GPU, batch 64, 60 epochs. `tools/caption.py` makes the captions (docs/captions.md); evaluation asks with people's own.
"""

_base_ = ["../_base_/data/icfg-pedes.py", "../_base_/systems/rde_clip-vit-b16.py"]
data = dict(captions="mtg")
# RDE itself gives new layers 1e-3; CTGI names this rate.
param_groups = dict(new_lr=5e-5)
