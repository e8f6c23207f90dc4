"""The demo: a two-tower model on MiniPEDES, selected on validation."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
