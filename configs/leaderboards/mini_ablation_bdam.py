"""Table 1 of paper 000 on MiniPEDES: BDAM and its parts, without a fuser; descriptions are simulated."""

title = "BDAM on MiniPEDES (Table 1 of paper 000)"
entries = {
    "two-tower-pk-s-6": dict(config="../bdam_mamba/two-tower-pk-s_tiny_mini-pedes.py"),
    "bdam-s-6": dict(config="../bdam_mamba/bdam-s_tiny_mini-pedes.py"),
    "bdam-no-cross-attention-s-6": dict(
        config="../bdam_mamba/bdam-s_tiny_mini-pedes.py", options=["model.disentangler.cross_attention=False"]
    ),
    "bdam-no-gate-s-6": dict(
        config="../bdam_mamba/bdam-s_tiny_mini-pedes.py",
        options=["model.disentangler.gate=False", "model.losses.gate=None"],
    ),
    "bdam-shallow-s-6": dict(config="../bdam_mamba/bdam-s_tiny_mini-pedes.py", options=["model.disentangler.depth=1"]),
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
