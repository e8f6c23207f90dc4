"""BDAM with Mamba fusion on smaller towers, from scratch on MiniPEDES: what the leaderboard's suites train."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/bdam-mamba-s_tiny.py"]
