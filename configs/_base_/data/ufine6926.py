"""UFine6926; 5 % of the training identities choose the checkpoint, for there is no validation split."""

data = dict(dataset=dict(type="UFine6926", val_carve=True))
