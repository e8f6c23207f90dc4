"""Does BDAM with Mamba help? Against plain two towers with the same towers, sampler and number of steps.

In the track gallery-text images have simulated descriptions with 20 % of the attributes wrong and 20 % missing; the
baseline gets the same texts through the simple fuser. The same four in a short budget are in the ablation suites.
Every model is also tested on the test persons of the large MiniPEDES, none of whom it was trained on: those of the usual
size are too few to tell small gains apart.
"""

title = "BDAM and Mamba against two towers on MiniPEDES, 24 epochs"
entries = {
    "two-tower-pk-s-24": dict(config="../bdam_mamba/two-tower-pk-s_tiny_mini-pedes.py"),
    "bdam-mamba-image-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["model.fuser.text=None"]
    ),
    "simple-fuser-s-24": dict(
        config="../bdam_mamba/mamba-fuser-s_tiny_mini-pedes.py",
        options=["model.fuser.type=SimpleFuser", "evaluation.gallery_texts=descriptions-wrong20-missing20"],
    ),
    "bdam-mamba-s-24": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py",
        options=["evaluation.gallery_texts=descriptions-wrong20-missing20"],
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
