"""The other half of MiniPEDES' cross-domain matrix: trained on drawn interiors, tested there and on the street."""

title = "MiniPEDES, trained indoors"
entries = {"two-tower-m": dict(config="../mini/two-tower_mini-pedes.py")}
datasets = {"mini-pedes": ["data.dataset.domain=indoor"]}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=6",
    "schedule.warmup_epochs=1",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
]
transfer = {"street": ["data.dataset.domain=street"]}
