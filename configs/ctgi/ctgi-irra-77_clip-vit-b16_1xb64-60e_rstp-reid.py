"""CTGI's training with IRRA on RSTPReid: MTG captions alone, at CLIP's own 77 text positions.

1 GPU, batch 64, 60 epochs. `tools/caption.py` makes the captions (docs/captions.md); evaluation asks with people's own.
"""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/irra_clip-vit-b16.py"]
data = dict(captions="mtg")
