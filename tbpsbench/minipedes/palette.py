"""The RGB values behind the colour names of MiniPEDES, and integer mixing."""

from __future__ import annotations

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.raster import Colour

CLOTH: dict[str, Colour] = {
    "black": (28, 28, 32),
    "white": (240, 240, 236),
    "grey": (140, 142, 146),
    "navy": (26, 40, 116),
    "blue": (36, 92, 212),
    "light blue": (140, 186, 228),
    "red": (198, 38, 44),
    "burgundy": (124, 14, 50),
    "pink": (238, 150, 178),
    "purple": (112, 62, 152),
    "green": (44, 134, 70),
    "olive": (122, 126, 40),
    "yellow": (240, 204, 56),
    "orange": (236, 124, 36),
    "brown": (128, 76, 34),
    "beige": (214, 194, 156),
}
DENIM: dict[str, Colour] = {
    "blue": (64, 98, 152),
    "light blue": (138, 172, 208),
    "navy": (34, 50, 112),
    "black": (48, 48, 54),
    "white": (228, 228, 224),
}
SKIN: dict[str, Colour] = {
    "fair": (244, 208, 184),
    "tanned": (222, 172, 132),
    "brown": (168, 114, 78),
    "dark": (98, 64, 46),
}
HAIR: dict[str, Colour] = {
    "black": (30, 26, 28),
    "brown": (78, 48, 30),
    "light brown": (138, 96, 58),
    "blond": (222, 184, 104),
    "red": (176, 76, 30),
    "grey": (146, 146, 148),
    "white": (232, 230, 224),
}


def scaled(colour: Colour, gain: int) -> Colour:
    """The colour times gain / 256."""
    r, g, b = (min(c * gain >> 8, 255) for c in colour)
    return r, g, b


def mixed(one: Colour, other: Colour, share: int) -> Colour:
    """`share` / 256 of `other` in `one`."""
    r, g, b = ((x * (256 - share) + y * share) >> 8 for x, y in zip(one, other, strict=True))
    return r, g, b


def varied(colour: Colour, dice: Dice, spread: int) -> Colour:
    """The colour a little off: brightness and every channel by up to `spread`."""
    shift = dice.between(-spread, spread)
    r, g, b = (min(max(c + shift + dice.between(-spread // 2, spread // 2), 8), 248) for c in colour)
    return r, g, b
