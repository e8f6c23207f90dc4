"""Table 3 of paper 000 on MiniPEDES: the whole system without one loss at a time; the gallery has simulated descriptions.

Three rows more: constant weights in place of GradNorm, GradNorm in the paper's own form, and the whole system on images
alone.
"""

title = "Losses on MiniPEDES (Table 3 of paper 000)"
entries = {
    "bdam-mamba-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-no-infonce-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.losses.itc=None", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-no-triplet-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.losses.triplet=None", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-no-clothing-alignment-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.losses.clothing=None", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-no-hsic-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.losses.hsic=None", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-no-gate-regularization-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.losses.gate=None", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-fixed-weights-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.balancer.type=Fixed", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-gradnorm-of-paper-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=[
            "model.balancer.reference=first",
            "model.balancer.restoring_force=1.0",
            "model.balancer.interval=1",
            "evaluation.gallery_texts=descriptions-wrong20-missing20",
        ],
    ),
    "bdam-mamba-image-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["model.fuser.text=None"]
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
