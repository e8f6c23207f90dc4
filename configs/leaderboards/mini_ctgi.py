"""Table 4 of CTGI on MiniPEDES: captions by MTG, a dialogue by MTI, and 248 text positions, for IRRA and RDE.

Without MTG the captions are its first step alone, the static caption. -248 has the text positions of the stretched
towers; learnt from scratch, these have nothing to stretch, and the others cut what is longer than 64 tokens. Captions,
judge and answerer are simulated, and take 10 % of what they see for something else. 216 steps, as in mini_captions.py.
"""

title = "Table 4 of CTGI on MiniPEDES: MTG, MTI and longer texts"
interact = {"mti-10": dict(type="MTI", mllm=dict(type="Simulated", misjudged=0.1, wrong=0.1))}
entries = {
    "irra-static": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=[
            "data.captions=static-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
        interact=["mti-10"],
    ),
    "irra-mtg": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
        interact=["mti-10"],
    ),
    "irra-mtg-248": dict(
        config="../ctgi/ctgi-irra_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
        interact=["mti-10"],
    ),
    "rde-static": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "data.captions=static-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
        interact=["mti-10"],
    ),
    "rde-mtg": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
        interact=["mti-10"],
    ),
    "rde-mtg-248": dict(
        config="../ctgi/ctgi-rde_tiny_mini-pedes.py",
        options=[
            "data.captions=mtg-wrong10",
            "schedule.max_epochs=12",
            "schedule.warmup_epochs=2",
            "evaluation.interval=6",
        ],
        interact=["mti-10"],
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
