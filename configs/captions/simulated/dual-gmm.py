"""The texts of dual.py with styles found by a mixture of Gaussians."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="GMM", clusters=10))
