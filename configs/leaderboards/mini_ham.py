"""HAM's use of generated captions, on MiniPEDES: pretrain on many pictures of other people with generated captions alone,
then search the usual test persons, without having seen a person, a scene or a caption of theirs, and after fine-tuning.

`ham-pretrain` sees 6000 pictures of 1200 drawn persons of another population (size large, seed 1), two captions each in
clustered styles, by a simulated model that takes 10 % of what it sees for something else. `ham-finetuned` goes on from
it with human captions in the budget of mini.py, 210 steps, on the street and indoors; `two-tower-s` is that budget from
scratch, on the street the same runs as in mini.py. Names with -2 have two epochs, a third of the budget.
"""

title = "MiniPEDES, pretrained on generated captions alone"
entries = {
    "ham-pretrain": dict(
        config="../mini/two-tower-s_mini-pedes.py",
        options=[
            "data.dataset.size=large",
            "data.dataset.seed=1",
            "data.captions=styled-wrong10",
        ],
        datasets=["mini-pedes"],
    ),
    "ham-finetuned": dict(config="../mini/two-tower-s_mini-pedes.py", start="ham-pretrain"),
    "ham-finetuned-2": dict(
        config="../mini/two-tower-s_mini-pedes.py",
        start="ham-pretrain",
        options=["schedule.max_epochs=2", "schedule.warmup_epochs=0.5", "evaluation.interval=1"],
    ),
    "two-tower-s": dict(config="../mini/two-tower-s_mini-pedes.py"),
    "two-tower-s-2": dict(
        config="../mini/two-tower-s_mini-pedes.py",
        options=["schedule.max_epochs=2", "schedule.warmup_epochs=0.5", "evaluation.interval=1"],
    ),
}
datasets = {"mini-pedes": [], "indoor": ["data.dataset.domain=indoor"]}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=6",
    "schedule.warmup_epochs=1",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
]
# Read with human captions of the usual persons, whatever a system was trained on.
transfer = {
    "street": [
        "data.dataset.domain=street",
        "data.dataset.size=default",
        "data.dataset.seed=0",
        "data.captions=human",
    ],
    "indoor": [
        "data.dataset.domain=indoor",
        "data.dataset.size=default",
        "data.dataset.seed=0",
        "data.captions=human",
    ],
}
