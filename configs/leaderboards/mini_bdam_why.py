"""Why BDAM with Mamba does what it does in mini_bdam.py: one part at a time, with the same towers and steps.

First images alone: BDAM without the fuser, the fuser without BDAM, both without HSIC, both without the fuser's
alignment. Then, with texts, whether the alignment still costs what it costs in the short budget of
mini_ablation_fusion.py, without BDAM and with it.
"""

title = "Parts of BDAM with Mamba on MiniPEDES, 24 epochs"
entries = {
    "bdam-s-24": dict(config="../bdam_mamba/bdam-s_tiny_mini-pedes.py"),
    "mamba-fuser-image-s-24": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py", options=["model.fuser.text=None"]
    ),
    "bdam-mamba-image-no-hsic-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.fuser.text=None", "model.losses.hsic=None"],
    ),
    "bdam-mamba-image-no-alignment-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.fuser.text=None", "model.fuser.alignment=False"],
    ),
    "mamba-fuser-s-24": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "mamba-fuser-no-alignment-s-24": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["model.fuser.alignment=False", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-no-alignment-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.fuser.alignment=False", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
# One thread: sums then run in one order, and two workers share two cores.
options = [
    "schedule.max_epochs=24",
    "evaluation.interval=6",
    "runtime.threads=1",
    "data.num_workers=0",
    "data.descriptions=descriptions-wrong20-missing20",
]
transfer = {"large": ["data.dataset.size=large"]}
