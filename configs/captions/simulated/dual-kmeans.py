"""The texts of dual.py with styles found by k-means."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="KMeans", clusters=10))
