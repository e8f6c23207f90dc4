"""The CLIP baseline from scratch on MiniPEDES: the demo's towers, pairs alone as positives, scale 50 fixed."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/model/two-tower_tiny.py", "../_base_/schedule/mini.py"]
model = dict(losses=dict(itc=dict(temperature=0.02, positives="instance")))
