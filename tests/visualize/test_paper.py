import re
import time
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from tbpsbench.errors import DataError
from tbpsbench.visualize.paper import (
    PAPER,
    RIGHT,
    WRONG,
    font,
    heading,
    label,
    legend_columns,
    open_rgb,
    readable,
    save_figure,
    wrapped,
)

# Read as mathematics, the first is drawn without its dollars and the second is an error.
NAMES = ("$x$", r"$\nothing$", "[/bold]", r"\x", "a_{b}^c", "_hidden", "n" * 300, "two\nlines", "bell\x07")


def figure_of(name):
    """A figure with a name in every place that ours use."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], label=label(name))
    axes.legend()
    axes.set_title(label(name))
    axes.annotate(label(name), (0, 0))
    axes.table([[label(name)]], loc="center")
    heading(figure, label(name))
    return figure


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_takes_any_name(name, tmp_path):
    path = save_figure(figure_of(name), tmp_path / "out.png")
    with Image.open(path) as image:
        assert image.size == (600, 360)


def test_dollars_are_drawn_as_they_are_written(tmp_path):
    dollars, letter = (save_figure(figure_of(name), tmp_path / f"{len(name)}.png") for name in ("$x$", "x"))
    with Image.open(dollars) as one, Image.open(letter) as other:
        ink = [int((np.asarray(image.convert("L"))[:30] < 128).sum()) for image in (one, other)]
    assert ink[0] > 2 * ink[1]


def test_labels_are_short_on_one_line_and_keep_their_ends():
    assert label("two-tower") == "two-tower"
    assert label("two\n lines\x07") == r"two lines\x07"
    assert label("\ud800") == r"\ud800"
    long = label("first-" + "x" * 300 + "-last")
    assert len(long) == 60
    assert re.fullmatch(r"first-x+\.\.\.x+-last", long)
    assert label(long) == long
    assert not label("_hidden").startswith("_")
    assert label(7) == "7"


def test_lines_are_no_wider_than_asked_even_for_one_endless_word():
    draw, body = ImageDraw.Draw(Image.new("RGB", (9, 9))), font(13)
    for text in ("word " * 99, "w" * 500, "short " + "w" * 500 + " short", "W"):
        lines = wrapped(draw, text, 100, body, 4)
        assert len(lines) <= 4
        assert all(draw.textlength(line, body) <= 100 for line in lines)
        assert lines[-1].endswith(" ...") == (len(text) > 1)
    assert "".join(wrapped(draw, "w" * 50, 100, body, 99)) == "w" * 50
    assert wrapped(draw, "", 100, body, 4) == [""]


def test_an_endless_word_costs_no_more_than_what_is_shown():
    draw, body = ImageDraw.Draw(Image.new("RGB", (9, 9))), font(13)
    start = time.process_time()
    shown = wrapped(draw, "w" * 2_000_000, 300, body, 8)
    assert time.process_time() - start < 5
    assert shown[:7] == wrapped(draw, "w" * 900, 300, body, 8)[:7]


def test_what_the_font_has_is_drawn_and_what_it_lacks_is_escaped():
    has = "caf\u00e9 \u2014 \u0416\u0443\u043a \u03b1 \u0639"
    assert readable(has) == has
    assert readable("\u4e2d a\u200b\n\U0001f9e2") == "\\u4e2d a\\u200b\n\\U0001f9e2"
    assert label("\u4e2d\u56fd") == r"\u4e2d\u56fd"
    draw, body = ImageDraw.Draw(Image.new("RGB", (9, 9))), font(13)
    assert wrapped(draw, "a \u4e2d", 300, body, 1) == [r"a \u4e2d"]
    box = body.getmask("\u4e2d")
    assert all(bytes(body.getmask(sign)) != bytes(box) for sign in has if sign != " ")


def test_a_figure_with_signs_that_the_font_lacks_warns_of_nothing(tmp_path):
    figure = Figure(figsize=(5, 3))
    figure.subplots().set_title("\u4e2d \u0639", weight="bold")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, tmp_path / "out.png")
    assert figure.axes[0].get_title() == "\\u4e2d \u0639"


def test_right_and_wrong_differ_in_grey_and_can_be_read():
    def luminance(colour):
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(colour) / 255
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05

    assert luminance(WRONG) / luminance(RIGHT) > 2
    assert luminance(PAPER) / luminance(WRONG) > 4.5


def test_a_legend_has_as_many_columns_as_fit():
    figure = Figure(figsize=(16, 7))
    assert legend_columns(figure, ["a", "b"], 7) == 7
    assert legend_columns(figure, ["n" * 60], 7) == 2
    assert legend_columns(Figure(figsize=(3, 3)), ["n" * 60], 7) == 1


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text.png: cannot be used as an image \(not an image\)"):
        open_rgb(tmp_path / "text.png")
    with pytest.raises(DataError, match=r"none.png: cannot be used as an image \(missing\)"):
        open_rgb(tmp_path / "none.png")
