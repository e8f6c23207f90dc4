"""Without BDAM: the mean of the patch tokens is fused with the description; InfoNCE and triplet loss (Table 2)."""

_base_ = "bdam-mamba-s_tiny_mini-pedes.py"
model = dict(disentangler=None, losses=dict(clothing=None, hsic=None, gate=None))
