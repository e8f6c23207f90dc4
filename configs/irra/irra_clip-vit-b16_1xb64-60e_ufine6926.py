"""IRRA on UFine6926, 1 GPU, batch 64, 60 epochs.

Its captions have some eighty words; text positions are stretched from CLIP's 77 to 248 so that they are read whole.
"""

_base_ = ["../_base_/data/ufine6926.py", "../_base_/systems/irra_clip-vit-b16.py"]
data = dict(tokenizer=dict(context_length=248))
model = dict(text_encoder=dict(context_length=248))
