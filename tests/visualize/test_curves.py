import itertools
import json
import math

import pytest

from tbpsbench.errors import DataError
from tbpsbench.visualize.curves import training_curves
from tbpsbench.visualize.paper import PALETTE


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


def test_every_line_has_a_look_of_its_own_without_colours(tmp_path, drawn):
    names = [f"loss_{number}" for number in range(40)]
    training_curves(write(tmp_path / "run", [{"step": 1, "loss": 9.0, **dict.fromkeys(names, 1.0)}]), "out.png")
    looks = [(line.get_marker(), line.get_linestyle()) for line in drawn[0].axes[0].get_lines()]
    assert len(set(looks[:28])) == 28
    assert {line.get_color() for line in drawn[0].axes[0].get_lines()} <= set(PALETTE)
    coloured = [(line.get_color(), *look) for line, look in zip(drawn[0].axes[0].get_lines(), looks, strict=True)]
    assert all(one != other for one, other in itertools.pairwise(coloured))


@pytest.mark.parametrize("count", [1, 14, 40])
def test_a_legend_covers_no_curve_and_stays_in_the_picture(tmp_path, drawn, count):
    names = [f"loss_a_name_of_a_loss_{number}" for number in range(count)]
    training_curves(write(tmp_path / "run", [{"step": 1, "loss": 9.0, **dict.fromkeys(names, 1.0)}]), "out.png")
    for axes in drawn[0].axes:
        box = axes.get_legend().get_window_extent()
        assert box.y1 < axes.get_window_extent().y0
        assert box.y0 >= 0
        assert box.x0 >= 0
        assert box.x1 <= drawn[0].bbox.x1


def test_one_balanced_loss_is_drawn_before_weighing(tmp_path, drawn):
    rows = [{"step": step, "loss": 6.0, "loss_itc": 2.0, "weight_itc": 3.0} for step in (1, 2)]
    training_curves(write(tmp_path / "run", rows), "out.png")
    axes = drawn[0].axes[0]
    (line,) = axes.get_lines()
    assert (line.get_label(), list(line.get_ydata()), axes.get_ylabel()) == ("itc", [2.0, 2.0], "loss before weighing")


def test_steps_without_a_finite_loss_are_marked_and_keep_the_axis(tmp_path, drawn):
    losses = {10: 3.0, 20: math.nan, 30: 2.0, 40: 1.0, 50: math.inf, 60: math.nan}
    training_curves(write(tmp_path / "run", [{"step": s, "loss": v} for s, v in losses.items()]), "out.png")
    axes = drawn[0].axes[0]
    line, marks = axes.get_lines()
    assert list(marks.get_xdata()) == [20, 50, 60]
    assert marks.get_label() == "not finite: loss"
    assert axes.get_xlim()[1] >= 60
    assert 0 in line.get_markevery(), "a point that no line reaches is seen"
    assert axes.get_ylim()[1] < 4


def test_steps_are_counted_in_whole_numbers(tmp_path, drawn):
    training_curves(write(tmp_path / "run", [{"step": step, "loss": 1.0} for step in (1, 2)]), "out.png")
    for axes in drawn[0].axes:
        assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(DataError, match="no training logs"):
        training_curves(tmp_path, "out.png")
