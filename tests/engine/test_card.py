"""run.json says which parameters got which rate: the config's, not what the schedule made of it at the last step."""

import json

import pytest
from runs import train_in

RULES = "[dict(pattern='image_encoder', lr_mult=0.1)]"
GROUPS = f"param_groups=dict(type='PatternGroups', no_decay_on_vectors=True, rules={RULES})"


def groups_of(folder):
    return json.loads((folder / "run.json").read_text())["groups"]


def test_a_finished_run_names_the_rates_of_its_config(demo, tmp_path):
    options = [GROUPS, "optimizer=dict(type='AdamW', lr=0.001)"]
    training, _ = train_in(tmp_path, demo, *options, "schedule.max_epochs=1")
    told = groups_of(tmp_path)
    assert sorted({row["lr"] for row in told}) == pytest.approx([0.0001, 0.001])
    assert {row["weight_decay"] for row in told} == {0.0, 0.01}, "AdamW's own decay, but not of vectors"
    assert sum(row["values"] for row in told) == sum(weight.numel() for weight in training.run.model.parameters())
    assert training.optimizer.param_groups[0]["lr"] < training.rates[0], "the test needs a schedule that ends below"
    train_in(tmp_path, demo, *options, "schedule.max_epochs=2", allow=["schedule.max_epochs"])
    assert groups_of(tmp_path) == told
