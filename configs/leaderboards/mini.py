"""Systems on MiniPEDES, which anybody can run: 6 epochs (210 steps of 64 pairs) from scratch, all with the same towers
but for the sizes s and l; and what they do on drawn interiors, which they have not been trained on."""

title = "MiniPEDES"
entries = {
    "two-tower-s": dict(config="../mini/two-tower-s_mini-pedes.py"),
    "two-tower-m": dict(config="../mini/two-tower_mini-pedes.py"),
    "two-tower-l": dict(config="../mini/two-tower-l_mini-pedes.py"),
    "two-tower-s-instance": dict(
        config="../mini/two-tower-s_mini-pedes.py", options=["model.losses.itc.positives=instance"]
    ),
    "two-tower-m-instance": dict(
        config="../mini/two-tower_mini-pedes.py", options=["model.losses.itc.positives=instance"]
    ),
    "two-tower-l-instance": dict(
        config="../mini/two-tower-l_mini-pedes.py", options=["model.losses.itc.positives=instance"]
    ),
    "clip": dict(config="../clip/clip_tiny_mini-pedes.py"),
    "tbps-clip": dict(config="../tbps_clip/tbps-clip_tiny_mini-pedes.py"),
    "irra": dict(config="../irra/irra_tiny_mini-pedes.py"),
    "rde": dict(config="../rde/rde_tiny_mini-pedes.py"),
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
]
transfer = {"indoor": ["data.dataset.domain=indoor"]}
