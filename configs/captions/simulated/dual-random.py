"""The texts of dual.py with styles by lots: groups of captions that have nothing in common."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="Random", clusters=10))
