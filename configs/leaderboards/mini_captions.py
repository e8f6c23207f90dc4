"""Caption sources on MiniPEDES, in the budget of mini.py: what a model writes instead of people.

The systems of mini.py learn from human captions; here from MTG's static caption, from the whole of MTG, and from captions
in clustered styles. The model is simulated and takes 10 % of what it sees for something else. Every search is asked the
data set's own captions.

People wrote two captions per image, and so many are drawn in styles; static and MTG captions are one per image, and are
learnt for twice as many epochs: 210 steps, or 216.
"""

title = "MiniPEDES, caption sources"
entries = {
    "two-tower-m-static": dict(
        config="../mini/two-tower_mini-pedes.py",
        options=[
            "data.captions=static-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "two-tower-m-mtg": dict(
        config="../mini/two-tower_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "two-tower-m-styled": dict(config="../mini/two-tower_mini-pedes.py", options=["data.captions=styled-wrong10"]),
    "irra-static": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=[
            "data.captions=static-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "irra-mtg": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "rde-static": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "data.captions=static-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "rde-mtg": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=6",
    "schedule.warmup_epochs=1",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
]
