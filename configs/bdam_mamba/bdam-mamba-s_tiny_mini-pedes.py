"""BDAM and Mamba fusion on small towers: what the leaderboard's suites train."""

_base_ = ["bdam-mamba_tiny_mini-pedes.py", "../_base_/model/small_towers.py"]
