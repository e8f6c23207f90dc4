"""Mamba fusion without BDAM (Table 2 of BDAM): the mean of the patch tokens is fused with the description.

The losses that are left are InfoNCE and the triplet loss.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/bdam-mamba-s_tiny.py"]
model = dict(disentangler=None, losses=dict(clothing=None, hsic=None, gate=None))
