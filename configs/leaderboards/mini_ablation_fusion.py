"""Table 2 of paper 000 on MiniPEDES: fusers and their parts, without BDAM, InfoNCE and triplet loss.

The gallery is embedded with simulated descriptions, but for the baseline, which reads none and is Table 1's: one system.
The Transformer is the comparison of Fig. 6.
"""

title = "Fusion on MiniPEDES (Table 2 of paper 000)"
entries = {
    "two-tower-pk-s-6": dict(config="../bdam_mamba/two-tower-pk-s_tiny_mini-pedes.py"),
    "mamba-fuser-s-6": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "simple-fuser-s-6": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["model.fuser.type=SimpleFuser", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "mamba-fuser-no-gate-s-6": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["model.fuser.gate=False", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "mamba-fuser-no-alignment-s-6": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["model.fuser.alignment=False", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "transformer-fuser-s-6": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["model.fuser.type=TransformerFuser", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
# One thread: sums then run in one order, and two workers share two cores.
options = [
    "schedule.max_epochs=6",
    "schedule.warmup_epochs=1",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
    "data.descriptions=descriptions-wrong20-missing20",
]
