"""RDE on RSTPReid, 1 GPU, batch 64, 60 epochs; the mixture of the division runs longer here, as published."""

_base_ = ["../_base_/data/rstp-reid.py", "../_base_/systems/rde_clip-vit-b16.py"]
hooks = dict(ccd=dict(max_iter=100, tol=1e-4, reg_covar=1e-6))
