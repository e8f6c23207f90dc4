"""CUHK-PEDES."""

data = dict(dataset=dict(type="CUHKPEDES"))
