"""Table 2 of paper 000 on MiniPEDES: fusers and their parts, without BDAM, InfoNCE and triplet loss.

The gallery is embedded with simulated descriptions. The Transformer is the comparison of Fig. 6.
"""

title = "Fusion on MiniPEDES (Table 2 of paper 000)"
entries = {
    "baseline": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py",
        options=["model.fuser=None", "model.heads.global.image=identity", "model.heads.global.project=both"],
    ),
    "fusion": dict(config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=[]),
    "fusion-without-mamba": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.fuser.type=SimpleFuser"]
    ),
    "fusion-without-gate": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.fuser.gate=False"]
    ),
    "fusion-without-alignment": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.fuser.alignment=False"]
    ),
    "fusion-transformer": dict(
        config="../bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options=["model.fuser.type=TransformerFuser"]
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
    "model.disentangler=None",
    "model.losses.hsic=None",
    "model.losses.gate=None",
    "model.losses.clothing=None",
    "evaluation.gallery_texts=descriptions-wrong20-missing20",
]
