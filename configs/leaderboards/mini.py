"""Systems on MiniPEDES, which anybody can run: 10 epochs (350 steps of 64 pairs), and what they do on drawn interiors."""

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
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
# One thread: sums then run in one order, and two workers share two cores.
options = ["schedule.max_epochs=10", "evaluation.interval=5", "runtime.threads=1", "data.num_workers=0"]
transfer = {"indoor": ["data.dataset.domain=indoor"]}
