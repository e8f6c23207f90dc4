"""The small one: half as wide and one layer less than the demo's model."""

_base_ = ["two-tower_mini-pedes.py", "../_base_/model/small_towers.py"]
model = dict(heads={"global": dict(embed_dim=64)})
