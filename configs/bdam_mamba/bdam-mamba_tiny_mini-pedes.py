"""BDAM and Mamba fusion from scratch on MiniPEDES, selected on validation; the gallery is images alone.

32 identities x 2 pairs a batch in place of the 16 x 4 of the large configs (the paper states none): InfoNCE has twice as
many persons to tell apart.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/model/bdam-mamba_tiny.py", "../_base_/schedule/mini.py"]
data = dict(descriptions="descriptions", sampler=dict(type="IdentityBalanced", instances=2), batch_size=64)
