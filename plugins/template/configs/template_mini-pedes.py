"""The demo's towers with the plug-in's fuser and loss, on MiniPEDES; the gallery is embedded without texts."""

_base_ = [
    "tbpsbench::_base_/data/mini-pedes.py",
    "tbpsbench::_base_/systems/two-tower_tiny.py",
]
plugins = ["template"]
data = dict(descriptions="descriptions")
model = dict(
    fuser=dict(type="GatedSum", text_dropout=0.5),
    heads={"global": dict(image="fused")},
    losses=dict(pair=dict(type="PairDistance")),
    balancer=dict(weights=dict(pair=0.1)),
)
