"""The texts of dual.py with no styles: every text is asked for in the same words."""

_base_ = ["dual.py"]
source = dict(clusterer=dict(_delete_=True, type="none"))
