"""How wrong may captions be? MTG on MiniPEDES by a simulated model that takes nothing or 40 % of what it sees for
something else, for IRRA and RDE; 10 % is in mini_captions.py. 216 steps, as there."""

title = "MiniPEDES, errors in generated captions"
entries = {
    "irra-mtg-wrong-40": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong40",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "rde-mtg-wrong-40": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong40",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "irra-mtg-wrong-0": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong0",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
    ),
    "rde-mtg-wrong-0": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong0",
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
