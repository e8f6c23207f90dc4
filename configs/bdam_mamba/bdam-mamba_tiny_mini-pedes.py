"""BDAM with Mamba fusion from scratch on MiniPEDES, selected on validation; the gallery is images alone."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/bdam-mamba_tiny.py"]
