"""What stands between camera and person, and who walks behind. The pen's unit is a pixel."""

from __future__ import annotations

# Outlines stay on few lines.
# fmt: off
from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.palette import CLOTH, HAIR, SKIN, scaled
from tbpsbench.minipedes.raster import Pen, ellipse, smoothed
from tbpsbench.minipedes.shots import Shot


def draw_occluder(pen: Pen, shot: Shot, dice: Dice) -> None:
    """Draw the shot's occluder; nothing for "none"."""
    kind, side, rise = shot.occluder, shot.occluder_side, shot.occluder_rise
    middle = 48 + side * dice.between(6, 22)
    if kind == "bollard":
        top = 132 - rise
        pen.fill([(middle - 7, top + 4), (middle - 4, top), (middle + 4, top), (middle + 7, top + 4),
            (middle + 8, 194), (middle - 8, 194)], (86, 90, 96), smooth=1)
        pen.line([(middle - 7, top + 12), (middle + 7, top + 12)], 5, (224, 206, 90))
    elif kind == "railing":
        top = 128 - rise
        for row in (top, top + 26):
            pen.fill([(-2, row), (98, row), (98, row + 4), (-2, row + 4)], (126, 130, 136), smooth=0)
        for x in range(dice.below(12) - 4, 98, 15):
            pen.fill([(x, top), (x + 3, top), (x + 3, 194), (x, 194)], (112, 116, 122), smooth=0)
    elif kind == "bicycle":
        x, frame = middle - 26, CLOTH[dice.pick(("red", "blue", "green", "black", "orange"))]
        for wheel in (x, x + 54):
            rim = smoothed([(8 * x, 8 * y) for x, y in ellipse(wheel, 166 - rise // 2, 22, 22)], 1)
            rim = [(x // 8, y // 8) for x, y in rim]
            pen.line([*rim, rim[0]], 3, (30, 30, 32))
        y = 166 - rise // 2
        for points in ([(x, y), (x + 18, y - 30), (x + 46, y - 30), (x + 26, y), (x, y)],
            [(x + 26, y), (x + 16, y - 36)], [(x + 54, y), (x + 44, y - 40), (x + 52, y - 42)]):
            pen.line(points, 3, frame)
        pen.fill([(x + 8, y - 40), (x + 24, y - 40), (x + 20, y - 35), (x + 10, y - 35)], (36, 32, 30), smooth=1)
    elif kind == "bin":
        top = 134 - rise
        colour = CLOTH[dice.pick(("green", "grey", "navy", "black"))]
        pen.fill([(middle - 17, top), (middle + 17, top), (middle + 14, 194), (middle - 14, 194)], colour, smooth=0)
        pen.fill([(middle - 19, top - 6), (middle + 19, top - 6), (middle + 19, top + 3), (middle - 19, top + 3)],
            scaled(colour, 190), smooth=1)
    elif kind == "shoulder":
        x, colour = 48 + side * 44, scaled(CLOTH[dice.pick(("black", "grey", "navy", "brown", "red", "olive"))], 200)
        pen.spot(x + side * 10, 96 - rise, 16, 22, HAIR[dice.pick(("black", "brown", "blond", "grey"))], shade=1)
        pen.fill([(x - side * 22, 194), (x - side * 20, 140 - rise), (x - side * 6, 120 - rise),
            (x + side * 34, 118 - rise), (x + side * 34, 194)], colour, smooth=1)
    elif kind in ("tree", "pillar"):
        x, w = 48 + side * dice.between(20, 34), dice.between(7, 12)
        colour = (92, 72, 54) if kind == "tree" else (176, 172, 166)
        pen.fill([(x - w, -4), (x + w, -4), (x + w + 2, 196), (x - w - 2, 196)], colour, smooth=0)
        if kind == "tree":
            for y in range(4, 190, 11):
                pen.line([(x - w + dice.below(2 * w), y), (x - w + dice.below(2 * w), y + 9)], 2, (66, 52, 40))
    elif kind == "plant":
        pen.fill([(middle - 13, 166), (middle + 13, 166), (middle + 10, 194), (middle - 10, 194)], (168, 96, 66),
            smooth=0)
        for _ in range(12):
            green = scaled((66, 122, 64), dice.between(180, 290))
            pen.spot(middle + dice.between(-15, 15), 152 + dice.between(-16 - rise, 12), dice.between(5, 9),
                dice.between(7, 13), green, shade=1)
    elif kind == "trolley":
        y = 138 - rise
        for row in range(y, 176, 8):
            pen.line([(middle - 24, row), (middle + 24, row)], 2, (92, 98, 106))
        for x in range(middle - 24, middle + 25, 8):
            pen.line([(x, y), (x * 7 // 8 + middle // 8, 176)], 2, (92, 98, 106))
        for x in (middle - 18, middle + 18):
            pen.spot(x, 184, 6, 6, (40, 40, 44))


def draw_passer(pen: Pen, dice: Dice, horizon: int) -> None:
    """A passer-by in the background, coarse and small; blurred later."""
    x, foot = dice.between(4, 92), horizon + dice.between(8, 24)
    h = dice.between(56, 84) * (horizon + 60) // 180
    top, w = foot - h, h // 7
    upper, lower = (CLOTH[dice.pick(tuple(CLOTH))] for _ in range(2))
    for sign in (-1, 1):
        pen.fill([(x + sign * 1, top + h * 5 // 10), (x + sign * w, top + h * 5 // 10), (x + sign * (w - 1), foot),
            (x + sign * (w // 2), foot)], lower, smooth=0)
    pen.fill([(x - w, top + h // 6), (x + w, top + h // 6), (x + w + 2, top + h * 55 // 100),
        (x - w - 2, top + h * 55 // 100)], upper, smooth=1)
    pen.spot(x, top + h // 12, h // 15, h // 12, SKIN[dice.pick(tuple(SKIN))])
    pen.spot(x, top + h // 20, h // 14, h // 18, HAIR[dice.pick(tuple(HAIR))])
