"""BDAM and Mamba fusion from scratch on MiniPEDES, selected on validation; the gallery is images alone."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/model/bdam-mamba_tiny.py", "../_base_/schedule/mini.py"]
data = dict(descriptions="descriptions", sampler=dict(type="IdentityBalanced", instances=4), batch_size=64)
