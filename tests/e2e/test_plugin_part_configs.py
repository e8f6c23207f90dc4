"""Configs with parts of a plug-in, as docs/plugins.md prints them: what is wrong is found, and what stays is clear."""

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.config.settings import Settings
from tbpsbench.engine.schedule import factor


def test_schedule_of_a_plug_in_is_warmed_up_and_takes_the_length_of_the_run(parts, options):
    options = [*options, "schedule.max_epochs=10", "schedule.warmup_epochs=2", "schedule.power=2"]
    schedule = Settings.of(load_config(parts / "config.py", options).values).schedule
    assert [factor(schedule, epoch) for epoch in (0, 1, 2, 5)] == pytest.approx([0.1, 0.55, 0.64, 0.25])
    assert schedule.per == "iteration"


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("model=dict(type='BagModel', vocab=3)", "model.vocab", "no argument 'vocab'. Did you mean 'vocab_size'"),
        ("model=dict(type='BagModel')", "model", "BagModel needs the argument 'vocab_size'"),
        ("model=dict(type='BagModel', vocab_size='many')", "model.vocab_size", "expected int"),
        ("model.type=BagMdel", "model.type", "no model is called 'BagMdel'. Did you mean 'BagModel'"),
        ("schedule.type=Pol", "schedule.type", "no schedule is called 'Pol'. Did you mean 'Poly'"),
        ("schedule.powr=2", "schedule.powr", "Poly has no argument 'powr'. Did you mean 'power'"),
        ("schedule.power=x", "schedule.power", "expected float"),
        ("schedule=dict(type='Poly')", "schedule", "needs the argument 'max_epochs'"),
        ("schedule.max_epochs=0", "schedule.max_epochs", "expected at least 1"),
        ("schedule.per=day", "schedule.per", "expected 'epoch' or 'iteration'"),
        ("schedule.power=-1e300", "schedule", "Poly gives no factor: OverflowError"),
        ("optimizer.betas=(2, 'x')", "optimizer.betas", "expected tuple"),
        ("optimizer.betas=(None, 0.9)", "optimizer.betas", "expected tuple"),
        ("optimizer.momentum=0.9", "optimizer.momentum", "Lion has no argument 'momentum'"),
        ("optimizer.lr=-1", "optimizer.lr", "expected 0 or more"),
        ("evaluation.rerank.0.loss=words", "evaluation.rerank.0.loss", "(its losses of that kind: pairs)"),
        ("optimizer.type=Lions", "optimizer.type", "no optimizer is called 'Lions'. Did you mean 'Lion'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_part_is_found_before_anything_is_read(parts, options, override, path, message):
    found = check(load_config(parts / "config.py", [*options, override]))
    assert [problem for problem in found if problem.path == path and message in problem.message], found


def test_changing_to_a_part_of_a_plug_in_and_back_drops_what_the_other_does_not_take(parts, options):
    config = load_config(parts / "config.py", [*options, "schedule.type=cosine", "optimizer.type=AdamW"])
    assert not check(config)
    assert "power" not in config.values["schedule"]
    assert "schedule: type is now cosine, dropped what it does not take: power" in config.notes
    assert config.values["optimizer"] == {"type": "AdamW", "lr": 1e-4, "weight_decay": 0.2}
