"""Numerical cores in plain torch, usable on their own: nothing below this folder imports mmengine."""
