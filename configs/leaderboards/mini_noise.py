"""Noisy correspondence on MiniPEDES: 20 % and 50 % of the training captions belong to other pairs; the budget of mini.py."""

title = "MiniPEDES, noisy correspondence"
entries = {
    "irra-noise-20": dict(config="../irra/irra_tiny_mini-pedes.py", options=["data.noise=0.2"]),
    "rde-noise-20": dict(config="../rde/rde_tiny_mini-pedes.py", options=["data.noise=0.2"]),
    "irra-noise-50": dict(config="../irra/irra_tiny_mini-pedes.py", options=["data.noise=0.5"]),
    "rde-noise-50": dict(config="../rde/rde_tiny_mini-pedes.py", options=["data.noise=0.5"]),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=6",
    "schedule.warmup_epochs=1",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
]
