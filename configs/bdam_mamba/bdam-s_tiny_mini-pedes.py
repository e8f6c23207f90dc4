"""Without a fuser: the identity vector is compared with the caption (Table 1)."""

_base_ = "bdam-mamba-s_tiny_mini-pedes.py"
model = dict(fuser=None, heads={"global": dict(image="identity", project="both")})
