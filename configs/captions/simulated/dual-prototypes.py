"""The texts of dual.py with styles found by HAM's uniform prototype sampling."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="UniformPrototypes", prototypes=100, nearest=20))
