"""Why BDAM with Mamba does what it does in mini_bdam.py: one part at a time, the same towers, steps and images alone."""

title = "Parts of BDAM with Mamba on MiniPEDES, 24 epochs, images alone"
entries = {
    "bdam-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.fuser=None", "model.heads.global.image=identity", "model.heads.global.project=both"],
    ),
    "mamba-fuser-image-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=[
            "model.disentangler=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
            "model.losses.clothing=None",
            "model.fuser.text=None",
        ],
    ),
    "bdam-mamba-image-no-hsic-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["model.fuser.text=None", "model.losses.hsic=None"],
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=24",
    "evaluation.interval=6",
    "runtime.threads=1",
    "data.num_workers=0",
    "data.descriptions=descriptions-wrong20-missing20",
]
transfer = {"large": ["data.dataset.size=large"]}
