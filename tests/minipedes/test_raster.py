import numpy as np
import pytest

from tbpsbench.minipedes.raster import Canvas, Paint, Pen, coverage, ellipse, sine, smoothed, tube, turned


def inside(x: float, y: float, outline) -> bool:
    """Ray casting in floating point, the plain way."""
    hit = False
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            hit = not hit
    return hit


def test_coverage_equals_ray_casting_at_every_centre():
    outline = [(37, 21), (301, 90), (250, 333), (120, 200), (18, 310)]
    top, left, mask = coverage(outline, 40, 40)
    full = np.zeros((40, 40), bool)
    full[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    expected = [[inside(16 * x + 8, 16 * y + 8, outline) for x in range(40)] for y in range(40)]
    assert np.array_equal(full, expected)


def test_shapes_that_share_an_edge_neither_overlap_nor_leave_a_gap():
    left, right = [(0, 0), (155, 0), (83, 320), (0, 320)], [(155, 0), (320, 0), (320, 320), (83, 320)]
    total = np.zeros((20, 20), int)
    for outline in (left, right):
        y, x, mask = coverage(outline, 20, 20)
        total[y : y + mask.shape[0], x : x + mask.shape[1]] += mask
    assert (total == 1).all()


def test_what_lies_outside_the_canvas_is_cut_off():
    assert coverage([(-200, -200), (-100, -200), (-100, -100)], 10, 10) is None
    _, _, mask = coverage([(-160, -160), (800, -160), (800, 800), (-160, 800)], 10, 10)
    assert mask.shape == (10, 10)
    assert mask.all()


def test_averaging_down_blends_by_the_share_of_covered_sub_pixels():
    canvas = Canvas(2, 2, 4)
    Pen(canvas, 0, 0, 1000).fill([(0, 0), (2, 0), (2, 4), (0, 4)], (200, 100, 0), 5, smooth=0, shade=False, edge=256)
    picture = canvas.over(np.full((2, 2, 3), 100, np.uint8))
    assert picture[0, 0].tolist() == [150, 100, 50]
    assert picture[1, 1].tolist() == [100, 100, 100]
    assert (canvas.part == 5).sum() == 8


def test_flipped_pen_mirrors_the_drawing():
    shape, canvases = [(1, 1), (9, 2), (6, 12)], []
    for flip in (1, -1):
        canvas = Canvas(8, 8, 4)
        Pen(canvas, 16, 4, 1000, flip).fill(shape, (9, 9, 9), smooth=0, shade=False, edge=256)
        canvases.append(canvas.part)
    assert canvases[0].any()
    assert (
        np.abs(canvases[0].astype(int) - canvases[1][:, ::-1]).sum() <= 12
    )  # centres on an edge may fall to either side


@pytest.mark.parametrize("pattern", ["horizontal stripes", "vertical stripes", "checks", "dots"])
def test_patterns_show_both_colours(pattern):
    canvas = Canvas(40, 40, 1)
    paint = Paint((200, 0, 0), pattern, (0, 0, 200))
    Pen(canvas, 0, 0, 200).fill([(0, 0), (200, 0), (200, 200), (0, 200)], paint, smooth=0, shade=False, edge=256)
    colours = {tuple(colour) for colour in canvas.rgb.reshape(-1, 3).tolist()}
    assert {(200, 0, 0), (0, 0, 200)} <= colours


def test_tone_darkens_only_the_named_part():
    canvas = Canvas(4, 8, 1)
    pen = Pen(canvas, 0, 0, 1000)
    for part, x in ((1, 0), (2, 4)):
        pen.fill([(x, 0), (x + 4, 0), (x + 4, 4), (x, 4)], (200, 200, 200), part, smooth=0, shade=False, edge=256)
    pen.tone([(0, 0), (8, 0), (8, 4), (0, 4)], 128, 1, smooth=0)
    assert (canvas.rgb[:, :4] == 100).all()
    assert (canvas.rgb[:, 4:] == 200).all()


def test_integer_sine_is_close_to_the_sine():
    assert max(abs(sine(d) / 1024 - np.sin(np.radians(d))) for d in range(-360, 361)) < 0.003
    assert turned((0, 0), 100, 0) == (0, 100)


def test_tube_and_ellipse_have_the_wanted_extent():
    assert sorted(tube([(0, 0), (0, 100)], [10, 20])) == [(-20, 100), (-10, 0), (10, 0), (20, 100)]
    xs, ys = zip(*ellipse(5, 5, 100, 50), strict=True)
    assert (max(xs), max(ys)) == (105, 55)
    assert len(smoothed(ellipse(0, 0, 9, 9), 2)) == 48
