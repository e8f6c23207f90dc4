"""ICFG-PEDES as in the papers: all training identities, and the last epoch, for there is nothing to choose with."""

data = dict(dataset=dict(type="ICFGPEDES", val_carve=False))
evaluation = dict(selection="last")
