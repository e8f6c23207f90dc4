"""Backgrounds: one fixed place per camera, wider than an image, of which every image shows a window.

Drawn with a pen whose unit is a pixel. The places are cluttered on purpose: windows, posters, cars, shelves and plants
in the colours that clothes have.
"""

from __future__ import annotations

# Outlines stay on few lines.
# fmt: off
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.palette import CLOTH, mixed, scaled
from tbpsbench.minipedes.raster import Canvas, Colour, Pen
from tbpsbench.minipedes.shots import CAMERAS

HEIGHT, WIDTH = 192, 96  # of an image
WIDE = 192  # of a place
VIVID = ("red", "blue", "yellow", "green", "orange", "navy", "burgundy", "white", "pink", "light blue")


@lru_cache(maxsize=16)
def panorama(seed: int, domain: str, camera: int) -> np.ndarray:
    """The place of a camera, (192, 192, 3) uint8, slightly out of focus."""
    place, horizon = CAMERAS[domain][camera].place, CAMERAS[domain][camera].horizon
    canvas, dice = Canvas(HEIGHT, WIDE, 2), Dice(seed, "place", domain, camera)
    pen = Pen(canvas, 0, 0, 2000)
    PLACES[place](pen, dice, horizon)
    image = canvas.over(np.zeros((HEIGHT, WIDE, 3), np.uint8)).astype(np.int32)
    grain = dice.bytes(HEIGHT * WIDE // 4).reshape(HEIGHT // 2, WIDE // 2).astype(np.int32) - 128
    image += (np.repeat(np.repeat(grain, 2, 0), 2, 1) >> 4)[..., None]
    image.setflags(write=False)
    return boxed(np.clip(image, 0, 255), 1).astype(np.uint8)


def boxed(image: np.ndarray, radius: int, axes: tuple[int, ...] = (0, 1)) -> np.ndarray:
    """Integer box blur of an (H, W, 3) array with repeated borders, rounded."""
    size = 2 * radius + 1
    for axis in axes:
        pad = [(radius + 1, radius) if a == axis else (0, 0) for a in range(3)]
        total = np.cumsum(np.pad(image.astype(np.int32), pad, mode="edge"), axis=axis)
        high = np.take(total, range(size, total.shape[axis]), axis=axis)
        low = np.take(total, range(total.shape[axis] - size), axis=axis)
        image = (high - low + size // 2) // size
    return image


def rect(pen: Pen, x: int, y: int, w: int, h: int, colour: Colour) -> None:
    """A plain rectangle."""
    pen.fill([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], colour, smooth=0, shade=False, edge=256)


def _floor(pen: Pen, horizon: int, colour: Colour, joint: Colour, step: int) -> None:
    """A floor with joints that converge towards the horizon."""
    rect(pen, 0, horizon, WIDE, HEIGHT - horizon, colour)
    y, gap = horizon, 3
    while y < HEIGHT:
        rect(pen, 0, y, WIDE, 1, joint)
        y, gap = y + gap, gap * 3 // 2 + 1
    for x in range(-4 * step, WIDE + 4 * step, step):
        far, near = WIDE // 2 + (x - WIDE // 2) // 3, x
        pen.line([(far * 1, horizon), (near * 1, HEIGHT)], 2, joint)


def _tree(pen: Pen, x: int, foot: int, dice: Dice) -> None:
    rect(pen, x - 4, foot - 90, 8, 90, (86, 66, 48))
    for _ in range(9):
        green = scaled((74, 118, 60), dice.between(180, 290))
        pen.spot(x + dice.between(-24, 24), foot - 96 + dice.between(-34, 14), dice.between(12, 20),
            dice.between(10, 18), green)


def _car(pen: Pen, x: int, y: int, colour: Colour) -> None:
    pen.fill([(x + 18, y - 34), (x + 62, y - 34), (x + 78, y - 18), (x + 8, y - 18)], mixed(colour, (30, 40, 50), 190),
        smooth=1)
    pen.fill([(x, y - 20), (x + 88, y - 20), (x + 92, y - 2), (x - 2, y - 2)], colour, smooth=1)
    for wheel in (x + 18, x + 70):
        pen.spot(wheel, y - 1, 9, 9, (28, 28, 30))
        pen.spot(wheel, y - 1, 4, 4, (150, 152, 156))


def _shops(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (150, 140, 128))
    for i in range(4):
        x, colour = i * 50 - 8, CLOTH[dice.pick(VIVID)]
        rect(pen, x + 4, 34, 42, horizon - 40, (70, 84, 96))
        for _ in range(6):  # goods in the window
            rect(pen, x + 6 + dice.below(32), 52 + dice.below(max(horizon - 76, 1)), dice.between(4, 9),
                dice.between(6, 16), CLOTH[dice.pick(VIVID)])
        for j in range(6):  # striped awning
            rect(pen, x + 1 + j * 8, 18, 8, 20, colour if j % 2 else (232, 230, 224))
        rect(pen, x + 6, 6, 38, 9, mixed(colour, (255, 255, 255), 90))
    _floor(pen, horizon, (158, 154, 148), (132, 128, 122), 24)


def _bricks(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (176, 160, 148))
    for row in range(0, horizon, 7):
        for x in range(-14 + (row // 7 % 2) * 8, WIDE, 16):
            rect(pen, x, row, 15, 6, scaled((150, 80, 62), dice.between(215, 290)))
    for _ in range(5):  # posters
        x, y = dice.below(WIDE - 24), dice.between(30, max(horizon - 50, 31))
        rect(pen, x, y, 22, 30, CLOTH[dice.pick(VIVID)])
        rect(pen, x + 4, y + 5, 14, 4, (240, 238, 230))
        rect(pen, x + 4, y + 13, 14, 10, CLOTH[dice.pick(VIVID)])
    _floor(pen, horizon, (134, 132, 130), (112, 110, 108), 30)


def _park(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (186, 208, 228))
    rect(pen, 20, 14, 120, horizon - 14, (190, 176, 156))
    for row in range(22, horizon - 14, 18):
        for x in range(28, 132, 16):
            rect(pen, x, row, 8, 10, (96, 112, 128))
    rect(pen, 0, horizon - 6, WIDE, HEIGHT, (112, 146, 78))
    pen.fill([(70, horizon), (110, horizon), (178, HEIGHT), (-10, HEIGHT)], (196, 184, 158), smooth=0, shade=False,
        edge=230)
    for _ in range(14):
        pen.spot(dice.below(WIDE), horizon + dice.between(-8, 6), dice.between(10, 20), dice.between(8, 14),
            scaled((70, 110, 56), dice.between(190, 280)))
    for x in (16, 160):
        _tree(pen, x + dice.between(-8, 8), horizon + 18, dice)


def _cars(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (168, 172, 178))
    for i in range(5):
        rect(pen, i * 40 - 6, 0, 36, horizon, scaled((170, 164, 154), dice.between(200, 280)))
        for row in range(8, horizon - 30, 26):
            rect(pen, i * 40, row, 10, 15, (84, 98, 112))
            rect(pen, i * 40 + 16, row, 10, 15, (84, 98, 112))
    rect(pen, 0, horizon, WIDE, HEIGHT, (98, 100, 104))
    for x in (-30, 68, 162):
        _car(pen, x + dice.between(-6, 6), horizon + 16, CLOTH[dice.pick(VIVID)])
    rect(pen, 0, horizon + 24, WIDE, 4, (188, 186, 180))
    rect(pen, 0, horizon + 28, WIDE, HEIGHT, (152, 150, 146))


def _plaza(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (140, 150, 140))
    for x in range(0, WIDE, 30):
        rect(pen, x, 6, 22, horizon - 10, scaled((120, 132, 140), dice.between(210, 280)))
    _floor(pen, horizon, (182, 174, 160), (150, 142, 130), 22)
    for x in (20, 120):  # a flower bed and a bench
        rect(pen, x, horizon + 4, 46, 10, (120, 92, 64))
        for _ in range(10):
            pen.spot(x + dice.below(46), horizon + dice.below(8), 4, 4, CLOTH[dice.pick(VIVID)])


def _station(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (136, 140, 144))
    for x in range(0, WIDE, 48):
        rect(pen, x, 0, 46, horizon, scaled((142, 146, 150), dice.between(220, 275)))
        rect(pen, x + 20, 0, 8, horizon + 6, (92, 96, 102))
    rect(pen, 10, 20, 58, 24, (36, 60, 120))
    rect(pen, 16, 28, 44, 6, (236, 236, 232))
    rect(pen, 112, 40, 40, 56, CLOTH[dice.pick(VIVID)])
    rect(pen, 118, 48, 28, 20, CLOTH[dice.pick(VIVID)])
    _floor(pen, horizon, (120, 122, 124), (100, 102, 106), 36)
    rect(pen, 0, horizon + 14, WIDE, 5, (212, 184, 60))


def _corridor(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (214, 206, 188))
    for x in range(8, WIDE, 62):
        rect(pen, x, 26, 34, horizon - 26, scaled((146, 108, 74), dice.between(200, 280)))
        rect(pen, x + 28, 70, 3, 5, (210, 200, 150))
        rect(pen, x + 40, 46, 16, 22, CLOTH[dice.pick(VIVID)])
    rect(pen, 0, horizon - 6, WIDE, 6, (110, 104, 96))
    _floor(pen, horizon, (170, 166, 160), (150, 146, 140), 28)


def _shelves(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (120, 110, 100))
    for y in range(10, horizon - 10, 22):
        rect(pen, 0, y + 18, WIDE, 3, (188, 176, 156))
        x = 0
        while x < WIDE:
            w = dice.between(4, 11)
            rect(pen, x, y + 18 - dice.between(8, 16), w - 1, 16,
                scaled(CLOTH[dice.pick(VIVID)], dice.between(180, 256)))
            x += w
    _floor(pen, horizon, (204, 198, 190), (180, 174, 166), 32)


def _lobby(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (196, 214, 222))
    for x in range(0, WIDE, 32):
        rect(pen, x, 0, 4, horizon, (120, 126, 132))
        pen.spot(x + 16, horizon - 12, dice.between(8, 14), 12, scaled((90, 128, 80), dice.between(200, 270)))
    rect(pen, 96, horizon - 30, 70, 34, (124, 92, 66))
    _floor(pen, horizon, (206, 202, 196), (178, 174, 170), 26)


def _stairs(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, HEIGHT, (178, 180, 174))
    for i in range(8):
        y = horizon - 64 + i * 9
        rect(pen, 30, y, 120, 9, scaled((150, 150, 146), 190 + i * 10))
        rect(pen, 30, y, 120, 2, (226, 224, 214))
    for x in (26, 150):
        rect(pen, x, horizon - 90, 4, 100, (90, 92, 96))
    rect(pen, 152, 30, 34, 46, CLOTH[dice.pick(VIVID)])
    _floor(pen, horizon + 8, (158, 160, 158), (138, 140, 138), 34)


def _office(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (222, 222, 214))
    for x in range(4, WIDE, 58):
        rect(pen, x, 16, 44, 36, (150, 190, 216))
        rect(pen, x + 20, 16, 3, 36, (236, 236, 232))
        rect(pen, x + 2, horizon - 36, 46, 6, (150, 112, 78))
        rect(pen, x + 8, horizon - 30, 4, 34, (110, 112, 116))
        rect(pen, x + 18, horizon - 54, 22, 16, (36, 40, 46))
        rect(pen, x + 42, horizon - 52, 10, 20, CLOTH[dice.pick(VIVID)])
    _floor(pen, horizon, (120, 128, 140), (110, 118, 130), 40)


def _platform(pen: Pen, dice: Dice, horizon: int) -> None:
    rect(pen, 0, 0, WIDE, horizon, (72, 78, 82))
    rect(pen, 0, 26, WIDE, horizon - 44, (196, 198, 198))
    rect(pen, 0, horizon - 40, WIDE, 8, CLOTH[dice.pick(VIVID)])
    for x in range(6, WIDE, 44):
        rect(pen, x, 36, 26, 26, (52, 62, 72))
        rect(pen, x + 30, 30, 10, horizon - 50, (150, 154, 156))
    _floor(pen, horizon, (138, 136, 130), (118, 116, 112), 30)
    rect(pen, 0, horizon + 8, WIDE, 6, (216, 190, 70))


PLACES: dict[str, Callable[[Pen, Dice, int], None]] = {
    "shops": _shops, "bricks": _bricks, "park": _park, "cars": _cars, "plaza": _plaza, "station": _station,
    "corridor": _corridor, "shelves": _shelves, "lobby": _lobby, "stairs": _stairs, "office": _office,
    "platform": _platform,
}  # fmt: skip
