"""MiniPEDES, drawn by the package itself; also tested on persons who have changed their clothes."""

data = dict(dataset=dict(type="MiniPEDES"))
evaluation = dict(selection="val", metric="mAP", protocols=("standard", "clothes-change"))
