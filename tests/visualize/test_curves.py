import json

import pytest

from tbpsbench.errors import DataError
from tbpsbench.visualize.curves import training_curves


def write(run, rows):
    (run / "logs/a/vis_data").mkdir(parents=True)
    (run / "logs/a/vis_data/scalars.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    score = {"R@1": 10.0, "mAP": 12.0}
    history = [{"epoch": epoch, **score} for epoch in (1, 2)]
    (run / "run.json").write_text(json.dumps({"history": history, "best": {"epoch": 2, "metric": "mAP", "score": 12}}))
    return run


def test_weights_of_a_balancer_are_drawn_where_they_are_logged(tmp_path, drawn):
    rows = [
        {"step": step, "loss": 3.0, "loss_a": 1.0, "loss_b": 2.0, "weight_a": 1 + step, "weight_b": 1 - step}
        for step in (0, 1)
    ]
    training_curves(write(tmp_path / "balanced", rows), "out.png")
    losses, weights, validation = drawn[0].axes
    assert [line.get_label() for line in losses.get_lines()] == ["a", "b"]
    assert [list(line.get_ydata()) for line in weights.get_lines()[:2]] == [[1, 2], [1, 0]]
    assert "epoch 2" in validation.get_title()
    assert all(float(tick).is_integer() for tick in validation.get_xticks())
    fixed = [{key: value for key, value in row.items() if not key.startswith("weight_")} for row in rows]
    training_curves(write(tmp_path / "fixed", fixed), "out.png")
    assert len(drawn[1].axes) == 2


def test_one_loss_is_drawn_as_the_loss(tmp_path, drawn):
    training_curves(write(tmp_path / "run", [{"step": 4, "loss": 3.0, "loss_itc": 3.0}]), "out.png")
    (line,) = drawn[0].axes[0].get_lines()
    assert (line.get_label(), list(line.get_xdata()), list(line.get_ydata())) == ("loss", [4], [3.0])


def test_a_run_that_is_going_on_is_drawn_so_far(tmp_path, drawn):
    run = tmp_path / "run"
    (run / "logs/a/vis_data").mkdir(parents=True)
    log = run / "logs/a/vis_data/scalars.json"
    log.write_text(json.dumps({"step": 35, "loss": 3.0}) + "\n")
    training_curves(run, "out.png")
    loss, validation = drawn[0].axes
    assert [line.get_marker() for line in loss.get_lines()] == ["o"], "one point makes no line"
    assert [text.get_text() for text in validation.texts] == ["no validation yet"]
    assert validation.get_title() == "Validation"
    with log.open("a") as stream:
        stream.write(json.dumps({"R@1": 10.0, "mAP": 12.0, "clothes-change/R@1": 1.0, "step": 4}) + "\n" + '{"loss"')
    training_curves(run, "out.png")
    validation = drawn[1].axes[1]
    assert {line.get_label(): list(line.get_xdata()) for line in validation.get_lines()} == {"R@1": [4], "mAP": [4]}
    assert validation.get_title() == "Validation (so far, to epoch 4)"
    assert not validation.texts


def test_many_losses_of_any_name_are_told_apart(tmp_path, drawn):
    names = [f"loss_{name}" for name in ("$x$", "_hidden", "n" * 300, *map(str, range(12)))]
    training_curves(write(tmp_path / "run", [{"step": 1, "loss": 9.0, **dict.fromkeys(names, 1.0)}]), "out.png")
    axes = drawn[0].axes[0]
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.get_lines()}
    assert len(looks) == len(axes.get_legend().get_texts()) == len(names)
    assert max(len(text.get_text()) for text in axes.get_legend().get_texts()) == 32


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(DataError, match="no training logs"):
        training_curves(tmp_path, "out.png")
