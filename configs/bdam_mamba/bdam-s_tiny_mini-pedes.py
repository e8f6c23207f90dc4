"""BDAM without a fuser: the identity vector is compared with the caption (Table 1 of BDAM)."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/bdam-mamba-s_tiny.py"]
model = dict(fuser=None, heads={"global": dict(image="identity", project="both")})
