import json
import math

import pytest

from tbpsbench.errors import DataError
from tbpsbench.visualize.scalars import Scalars, read_scalars


@pytest.fixture
def logged(tmp_path):
    """Write the log folders of a run, each a list of rows or of raw lines: the run's folder."""

    def write(*parts, card=None, tail=""):
        for number, rows in enumerate(parts):
            folder = tmp_path / f"logs/{number}/vis_data"
            folder.mkdir(parents=True)
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            (folder / "scalars.json").write_text("".join(f"{line}\n" for line in lines) + tail)
        if card is not None:
            (tmp_path / "run.json").write_text(card if isinstance(card, str) else json.dumps(card))
        return tmp_path

    return write


def step(number, **more):
    return {"step": number, "loss": float(number), **more}


def test_series_are_by_name_and_leave_out_rows_without_them():
    rows = [{"step": 1, "weight_a": 1.0}, {"step": 2, "weight_a": 2.0, "weight_b": 3.0}, {"step": 3}]
    found = Scalars(rows, [], None, finished=True).series("weight_")
    assert found == {"a": ([1, 2], [1.0, 2.0]), "b": ([2], [3.0])}


def test_parts_of_a_resumed_run_are_joined_and_repeat_nothing(logged):
    first = [step(1), step(2), {"step": 1, "mAP": 5.0}, step(3), step(4), {"step": 2, "mAP": 6.0}]
    second = [step(3, loss=30.0), step(4, loss=40.0), {"step": 2, "mAP": 7.0}, step(5)]
    found = read_scalars(logged(first, second, [step(6)], card={"status": "running", "history": []}))
    assert [(row["step"], row["loss"]) for row in found.training] == [(1, 1), (2, 2), (3, 30), (4, 40), (5, 5), (6, 6)]
    assert found.validation == [{"epoch": 1, "mAP": 5.0}, {"epoch": 2, "mAP": 7.0}]
    assert (found.best, found.finished) == (None, False)


@pytest.mark.parametrize("tail", ['{"step": 3, "lo', '{"step": 3}x', "\0\0\0", '"', '{"step": 3, "loss": 1'])
def test_a_last_line_that_is_half_written_is_left_out(logged, tail):
    found = read_scalars(logged([step(1), step(2)], [step(3)], tail=tail))
    assert [row["step"] for row in found.training] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step": 3, "lo', r"scalars.json:2: not valid JSON"),
        ("[1]", r"scalars.json:2: not a line of a training log"),
        ('{"loss": 1}', r"scalars.json:2: not a line of a training log"),
        ('{"step": true, "loss": 1}', r"scalars.json:2: not a line"),
        ('{"step": 2, "loss": "$x$"}', r"scalars.json:2: loss: expected a number"),
        ('{"step": 99999999999999999999, "loss": 1}', r"scalars.json:2: .*64 bits"),
    ],
)
def test_a_line_in_the_middle_that_is_not_ours_is_named(logged, line, message):
    with pytest.raises(DataError, match=message):
        read_scalars(logged([step(1), line, step(3)]))


def test_a_diverged_run_keeps_what_it_logged(logged):
    found = read_scalars(logged([step(1), '{"step": 2, "loss": NaN}', '{"step": 3, "loss": -Infinity}']))
    assert [row["step"] for row in found.training] == [1, 2, 3]
    assert math.isnan(found.training[1]["loss"])


def test_a_finished_runs_card_says_what_was_chosen(logged):
    card = {
        "status": "finished",
        "history": [{"epoch": 1, "mAP": 3.0}],
        "best": {"epoch": 1, "metric": "mAP", "score": 3},
    }
    found = read_scalars(logged([step(1)], card=card))
    assert found.scores() == {"mAP": ([1], [3.0])}
    assert found.best == card["best"]
    assert found.finished


def test_a_run_that_has_logged_nothing_is_told_from_another_folder(logged, tmp_path):
    with pytest.raises(DataError, match="no training logs"):
        read_scalars(tmp_path)
    with pytest.raises(DataError, match=r"nothing is logged yet.*try again later"):
        read_scalars(logged([], card={"status": "running", "history": []}, tail='{"st'))


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("{", "run.json:1: not valid JSON"),
        ("[]", "not the card of a run"),
        ({"history": 3}, "history: expected rows with epoch"),
        ({"history": [{"epoch": "one"}]}, "history: expected rows with epoch"),
        ({"best": {"epoch": 1}}, "best: expected rows with epoch and score"),
    ],
)
def test_a_card_that_is_not_ours_is_named(logged, card, message):
    with pytest.raises(DataError, match=message):
        read_scalars(logged([step(1)], card=card))
