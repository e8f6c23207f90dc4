import json
import math

import numpy as np
import pytest

from tbpsbench.config.schema import ScheduleSection
from tbpsbench.engine.schedule import factor


def test_irra_rates_of_the_field_notes():
    schedule = ScheduleSection(max_epochs=60, warmup_epochs=5, warmup_factor=0.1)
    rates = {0: 1e-6, 1: 2.8e-6, 4: 8.2e-6, 5: 1e-5, 6: 9.992e-6, 10: 9.797e-6, 30: 5.712e-6, 50: 7.937e-7, 59: 8.15e-9}
    for epoch, rate in rates.items():
        assert 1e-5 * factor(schedule, epoch) == pytest.approx(rate, rel=1e-3)


def test_constant_and_multistep():
    assert factor(ScheduleSection(9, type="constant"), 7) == 1.0
    steps = ScheduleSection(9, type="multistep", milestones=(3, 6), gamma=0.5)
    assert [factor(steps, e) for e in (0, 2.9, 3, 6, 8)] == [1, 1, 0.5, 0.25, 0.25]


def test_cosine_ends_at_its_floor():
    assert factor(ScheduleSection(10, min_factor=0.2), 10) == pytest.approx(0.2)
    assert factor(ScheduleSection(10, min_factor=0.2), 0) == pytest.approx(1.0)


def written_out(schedule, epoch):
    """The rates as one function, as they were written before schedules became classes."""
    warm = schedule.warmup_epochs
    if epoch < warm:
        return schedule.warmup_factor + (1 - schedule.warmup_factor) * epoch / warm
    if schedule.type == "constant":
        return 1.0
    if schedule.type == "multistep":
        return float(schedule.gamma ** sum(epoch >= milestone for milestone in schedule.milestones))
    progress = (epoch - warm) / max(schedule.max_epochs - warm, 1e-9)
    return schedule.min_factor + (1 - schedule.min_factor) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@pytest.mark.parametrize("kind", ["cosine", "constant", "multistep"])
def test_rates_are_those_of_one_written_out_function_bit_for_bit(kind):
    rng = np.random.default_rng(0)
    for _ in range(50):
        epochs = int(rng.integers(1, 80))
        schedule = ScheduleSection(
            epochs, kind, float(rng.choice([0, 1, 2.5, epochs])), float(rng.random()), float(rng.random()),
            tuple(rng.integers(0, epochs, 2).tolist()), float(rng.random()),
        )  # fmt: skip
        for epoch in (0, *rng.uniform(0, epochs, 5), epochs - 1):
            assert factor(schedule, float(epoch)) == written_out(schedule, float(epoch))


def test_the_log_gives_each_steps_own_rate(tool, demo, tmp_path):
    """Nobody reads the rate before it is set."""
    options = ("schedule.max_epochs=1", "schedule.warmup_epochs=1", "schedule.per=iteration", "runtime.log_interval=1")
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *demo[1:], *options, "optimizer.lr=0.01")
    assert code == 0, err
    (log,) = (tmp_path / "run" / "logs").rglob("scalars.json")
    rows = [row for row in map(json.loads, log.read_text().splitlines()) if "lr" in row]
    schedule = ScheduleSection(max_epochs=1, warmup_epochs=1)
    expected = [0.01 * factor(schedule, step / len(rows)) for step in range(len(rows))]
    assert len(rows) > 2
    assert [row["lr"] for row in rows] == pytest.approx(expected)
