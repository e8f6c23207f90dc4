"""The texts of dual.py with styles found by Ward's rule."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="Agglomerative", clusters=10))
