"""RDE on CUHK-PEDES, 1 GPU, batch 64, 60 epochs. Above 40 % noise: hooks.ccd.max_iter=100, tol=1e-4, reg_covar=1e-6."""

_base_ = ["../_base_/data/cuhk-pedes.py", "../_base_/systems/rde_clip-vit-b16.py"]
