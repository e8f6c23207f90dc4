"""Table 3 of paper 000 on MiniPEDES: the whole system without one loss at a time; the gallery has simulated descriptions."""

title = "Losses on MiniPEDES (Table 3 of paper 000)"
entries = {
    "bdam-mamba": dict(config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=[]),
    "without-infonce": dict(config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.losses.itc=None"]),
    "without-triplet": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.losses.triplet=None"]
    ),
    "without-clothing-alignment": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.losses.clothing=None"]
    ),
    "without-decoupling": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.losses.hsic=None"]
    ),
    "without-gate-regularization": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.losses.gate=None"]
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
# One thread: sums then run in one order, and two workers share two cores.
options = [
    "schedule.max_epochs=6",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
    "data.descriptions=descriptions-wrong20-missing20",
    "evaluation.gallery_texts=descriptions-wrong20-missing20",
]
