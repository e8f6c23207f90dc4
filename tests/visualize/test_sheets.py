import itertools

import numpy as np
from PIL import Image, ImageDraw

from tbpsbench.visualize.hits import Row, Shown, hits_sheet
from tbpsbench.visualize.paper import PAPER, RIGHT, WRONG
from tbpsbench.visualize.sheets import KEY, headed_sheet, judged_frame, judged_sign


def canvas():
    sheet = Image.new("RGB", (60, 120), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def edge(sheet):
    """Whether there is ink, along the upper edge of a frame."""
    return [sheet.getpixel((x, 1)) != PAPER for x in range(60)]


def test_a_right_frame_is_whole_and_a_wrong_one_is_dashed():
    for right, colour in ((True, RIGHT), (False, WRONG)):
        sheet, draw = canvas()
        judged_frame(draw, (0, 0, 59, 119), right=right)
        inked = edge(sheet)
        assert sheet.getpixel((0, 0)) == sheet.getpixel((59, 119)) == colour
        assert all(inked) == right
        assert sum(a != b for a, b in itertools.pairwise(inked)) == (0 if right else 6)


def test_a_tick_is_not_a_cross_in_grey():
    drawn = []
    for right in (True, False):
        sheet, draw = canvas()
        judged_sign(draw, 50, 20, right=right)
        ink = np.asarray(sheet.convert("L")) < 200
        assert not ink[:, :40].any()
        assert not ink[:, 52:].any()
        drawn.append(ink)
    assert (drawn[0] != drawn[1]).sum() > 10


def test_a_key_that_is_too_long_for_a_line_gets_another(texts):
    _, _, low = headed_sheet(2000, 10, "title", KEY)
    _, _, high = headed_sheet(400, 10, "title", KEY)
    assert high > low
    assert " ".join(texts[3:]) == KEY


def test_hits_are_marked_and_explained_only_where_they_are_judged(texts, tmp_path):
    picture = Image.new("RGB", (64, 128), (90, 90, 90))
    for judged in (None, False):
        rows = [Row("a man", [Shown(picture, ("1.  0.5", "file.png"), judged)])]
        with Image.open(hits_sheet("title", rows, tmp_path / "hits.png")) as sheet:
            marked = bool((np.asarray(sheet) == WRONG).all(axis=-1).any())
        assert marked == (judged is not None)
        assert ("dashed" in " ".join(texts)) == marked
