"""The CLIP baseline from scratch on MiniPEDES: the demo's towers, pairs alone as positives, scale 50 fixed."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
model = dict(losses=dict(itc=dict(temperature=0.02, positives="instance")))
