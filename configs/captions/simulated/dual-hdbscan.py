"""The texts of dual.py with styles found by HDBSCAN."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="HDBSCAN"))
