"""MTI on MiniPEDES with a simulated judge and answerer, who err in 0, 10, 20 and 40 % of verdicts and answers, on full
queries and on vague ones (the terse style). Each seed is trained once; every other record evaluates the same checkpoint.
"""

title = "MiniPEDES, interaction"
interact = {
    "mti-0": dict(type="MTI", mllm=dict(type="Simulated")),
    "mti-10": dict(type="MTI", mllm=dict(type="Simulated", misjudged=0.1, wrong=0.1)),
    "mti-20": dict(type="MTI", mllm=dict(type="Simulated", misjudged=0.2, wrong=0.2)),
    "mti-40": dict(type="MTI", mllm=dict(type="Simulated", misjudged=0.4, wrong=0.4)),
    "icl-0": dict(type="MTI", preset="icl", mllm=dict(type="Simulated")),
    "icl-40": dict(type="MTI", preset="icl", mllm=dict(type="Simulated", misjudged=0.4, wrong=0.4)),
    "witness": dict(type="MTI", answerer="witness", mllm=dict(type="Simulated")),
    "oracle": dict(type="MTI", answerer="oracle", mllm=dict(type="Simulated")),
}
entries = {
    "two-tower-m-16": dict(
        config="../mini/two-tower_mini-pedes.py",
        interact=[
            "mti-0",
            "mti-10",
            "mti-20",
            "mti-40",
            "icl-0",
            "icl-40",
            "witness",
            "oracle",
        ],
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=16",
    "schedule.warmup_epochs=2",
    "evaluation.interval=4",
    "evaluation.protocols=('standard',)",
    "runtime.threads=1",
    "data.num_workers=0",
]
transfer = {"vague": ["data.captions=terse"]}
