"""ICFG-PEDES; 5 % of the training identities choose the checkpoint, for there is no validation split."""

data = dict(dataset=dict(type="ICFGPEDES", val_carve=True))
