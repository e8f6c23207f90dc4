"""Hats, glasses, bags and what is carried in the hand."""

from __future__ import annotations

# Outlines stay on few lines.
# fmt: off
from tbpsbench.minipedes.geometry import (
    BAG,
    CARRIED,
    FACE,
    GLASSES,
    HAIR_PART,
    HAT,
    SKIN_PART,
    Figure,
    arms,
    blend,
    dim,
)
from tbpsbench.minipedes.heads import WIDE, head_pen
from tbpsbench.minipedes.palette import scaled
from tbpsbench.minipedes.raster import Point, tube


def draw_hat(fig: Figure) -> None:
    """The hat, over the hair."""
    pen, kind, colour = head_pen(fig), fig.outfit.hat, fig.hat
    w, dark = WIDE + 10, scaled(fig.hat, 196)
    x = -8 if fig.side else 0
    if kind == "cap":
        pen.fill([(x - w, 62), (x - w + 2, 22), (x - 44, -18), (x, -26), (x + 44, -18), (x + w - 2, 22), (x + w, 62),
            (x, 52 if not fig.back else 66)], colour, HAT, smooth=1)
        if fig.side:
            pen.fill([(44, 40), (70, 40), (124, 60), (120, 70), (50, 64)], dark, HAT, smooth=1)
        elif not fig.back:
            pen.fill([(-60, 44), (60, 44), (72, 66), (40, 80), (-40, 80), (-72, 66)], dark, HAT, smooth=1)
            pen.spot(0, 14, 16, 14, blend(colour, (255, 255, 255)), HAT)
        else:
            bald = fig.person.hair_style == "bald"  # the gap above the strap
            pen.fill([(-26, 66), (0, 40), (26, 66)], fig.skin if bald else fig.hair, FACE if bald else HAIR_PART,
                shade=False)
        pen.tone(tube([(x, -24), (x, 44)], [2, 2]), 196, HAT, smooth=0)
    elif kind == "beanie":
        pen.fill([(x - w, 64), (x - w + 2, 16), (x - 46, -28), (x, -40), (x + 46, -28), (x + w - 2, 16), (x + w, 64),
            (x, 58)], colour, HAT, smooth=1)
        for i in range(-3, 4):
            pen.tone(tube([(x + i * 12, -34), (x + i * 22, 40)], [2, 2]), 208, HAT, smooth=0)
        pen.fill([(x - w - 3, 36), (x + w + 3, 36), (x + w + 2, 70), (x, 64), (x - w - 2, 70)], scaled(colour, 232),
            HAT, smooth=1)
    elif kind == "brimmed hat":
        pen.fill([(x - 64, 44), (x - 58, -14), (x - 34, -38), (x + 34, -38), (x + 58, -14), (x + 64, 44)], colour, HAT,
            smooth=1)
        pen.fill([(x - 66, 18), (x + 66, 18), (x + 70, 42), (x - 70, 42)], dark, HAT, smooth=0)
        pen.fill([(x - 132, 46), (x - 60, 32), (x + 60, 32), (x + 132, 46), (x + 70, 64), (x - 70, 64)], colour, HAT,
            smooth=2)


def draw_glasses(fig: Figure) -> None:
    """Glasses or sunglasses; not seen from behind."""
    pen, dark = head_pen(fig), fig.outfit.glasses == "sunglasses"
    if fig.back or fig.outfit.glasses == "none":
        return
    rim = (24, 22, 26)
    if fig.side:
        pen.line([(60, 94), (-14, 100)], 7, rim, GLASSES)
        pen.spot(53, 103, 18, 18, rim, GLASSES)
        pen.spot(53, 103, 11, 11, (46, 44, 52) if dark else (214, 224, 232), GLASSES)
        if not dark:
            pen.spot(53, 103, 5, 6, (40, 30, 28), GLASSES)
        return
    pen.line([(-WIDE, 96), (WIDE, 96)], 6, rim, GLASSES)
    for sign in (-1, 1):
        pen.spot(sign * 30, 102, 26, 22, rim, GLASSES)
        pen.spot(sign * 30, 102, 19, 15, (46, 44, 52) if dark else (220, 228, 234), GLASSES)
        if not dark:
            pen.spot(sign * 30, 101, 7, 8, (40, 30, 28), GLASSES)
        else:
            pen.line([(sign * 30 - 10, 96), (sign * 30 + 2, 92)], 4, (120, 120, 130), GLASSES)


def draw_bag_behind(fig: Figure) -> None:
    """What lies behind the trunk: the rim of a backpack from the front, a bag on the averted side."""
    kind, b = fig.outfit.bag, fig.body
    if kind == "backpack" and not fig.back and not fig.side:
        w = b.chest_w + 4
        fig.pen.fill([(-w + 30, b.shoulder_y - 6), (w - 30, b.shoulder_y - 6), (w, b.shoulder_y + 60),
            (w, b.waist_y + 40), (-w, b.waist_y + 40), (-w, b.shoulder_y + 60)], scaled(fig.bag, 210), BAG, smooth=1)
    elif kind == "backpack" and fig.side:
        x, sy = -b.chest_d - 6 - b.stoop // 2, b.shoulder_y
        fig.pen.fill([(x + 24, sy + 18), (x - 34, sy + 16), (x - 82, sy + 60), (x - 86, sy + 220), (x - 56, sy + 254),
            (x + 24, sy + 246)], fig.bag, BAG, smooth=1)
        fig.pen.fill([(x - 76, sy + 140), (x - 40, sy + 140), (x - 40, sy + 232), (x - 78, sy + 226)],
            scaled(fig.bag, 222), BAG, smooth=1)
    elif kind in ("handbag", "tote bag", "suitcase") and (fig.side and fig.near == "right"):
        _left_hand_bag(fig)


def draw_bag_front(fig: Figure) -> None:
    """What lies before the trunk."""
    kind, b, pen = fig.outfit.bag, fig.body, fig.pen
    sy, dark = b.shoulder_y, scaled(fig.bag, 190)
    if kind == "backpack" and fig.back:
        w = 78
        pen.fill([(-w + 22, sy + 2), (w - 22, sy + 2), (w, sy + 46), (w + 4, sy + 236), (w - 14, sy + 262),
            (14 - w, sy + 262), (-w - 4, sy + 236), (-w, sy + 46)], fig.bag, BAG, smooth=1)
        pen.fill([(-54, sy + 146), (54, sy + 146), (58, sy + 238), (-58, sy + 238)], scaled(fig.bag, 226), BAG,
            smooth=1)
        pen.line([(-48, sy + 166), (48, sy + 166)], 5, dark, BAG)
        pen.line([(-60, sy + 70), (60, sy + 70)], 5, dark, BAG)
        pen.line([(-14, sy + 4), (0, sy - 14), (14, sy + 4)], 8, dark, BAG)
    elif kind == "backpack" and fig.side:
        x = -8 + b.stoop // 2
        pen.fill(tube([(x, sy - 12), (x + 20, sy + 40), (x + 4, sy + 120), (-b.chest_d, sy + 190)], [10, 11, 10, 8]),
            dark, BAG, smooth=1)
    elif kind == "backpack":
        for sign in (-1, 1):
            x = sign * (b.neck_w + b.shoulder_w) // 2
            pen.fill(tube([(x, sy - 10), (x + sign * 3, sy + 60), (x + sign * 14, sy + 150)], [12, 12, 10]), dark, BAG,
                smooth=1)
    elif kind == "shoulder bag":
        _shoulder_bag(fig)
    elif kind in ("handbag", "tote bag", "suitcase") and not (fig.side and fig.near == "right"):
        _left_hand_bag(fig)


def _shoulder_bag(fig: Figure) -> None:
    """Strap from the right shoulder to the left hip."""
    b, pen, sy, strap = fig.body, fig.pen, fig.body.shoulder_y, scaled(fig.bag, 180)
    if fig.side and fig.near == "right":
        pen.line([(b.stoop // 2, sy - 12), (b.chest_d - 20, sy + 60), (b.waist_d + 4, b.waist_y)], 12, strap, BAG)
        return
    if fig.side:
        x, y = -6, b.hip_y + 10
        pen.line([(x + 10, sy + 60), (x + 4, y - 40)], 11, strap, BAG)
    else:
        x, y = b.hip_w + 2, b.hip_y - 6
        pen.line([(-b.shoulder_w + 46, sy - 6), (0, (sy + y) // 2 - 22), (x - 18, y - 40)], 13, strap, BAG)
    pen.fill([(x - 56, y - 44), (x + 46, y - 44), (x + 50, y + 46), (x - 58, y + 46)], fig.bag, BAG, smooth=1)
    if not fig.back:
        pen.fill([(x - 56, y - 44), (x + 46, y - 44), (x + 40, y + 4), (x - 6, y + 16), (x - 50, y + 4)],
            scaled(fig.bag, 224), BAG, smooth=1)
        pen.spot(x - 5, y + 8, 6, 6, (206, 186, 110), BAG)


def _hand(fig: Figure, name: str) -> Point:
    (elbow, wrist) = next(limb.joints[1:] for limb in arms(fig) if limb.name == name)
    return wrist[0] + (wrist[0] - elbow[0]) * 18 // 140, wrist[1] + (wrist[1] - elbow[1]) * 18 // 140


def _left_hand_bag(fig: Figure) -> None:
    pen, kind, (x, y) = fig.pen, fig.outfit.bag, _hand(fig, "left")
    dark = scaled(fig.bag, 180)
    if kind == "handbag":
        pen.line([(x - 30, y + 44), (x - 14, y + 2), (x + 14, y + 2), (x + 30, y + 44)], 9, dark, BAG)
        pen.fill([(x - 40, y + 38), (x + 40, y + 38), (x + 54, y + 110), (x - 54, y + 110)], fig.bag, BAG, smooth=1)
        pen.spot(x, y + 56, 7, 6, (206, 186, 110), BAG)
    elif kind == "tote bag":
        pen.line([(x - 24, y + 30), (x - 8, y), (x + 8, y), (x + 24, y + 30)], 9, dark, BAG)
        pen.fill([(x - 52, y + 26), (x + 52, y + 26), (x + 46, y + 164), (x - 46, y + 164)], fig.bag, BAG, smooth=0)
        pen.spot(x, y + 92, 22, 20, blend(fig.bag, (255, 255, 255) if sum(fig.bag) < 400 else (0, 0, 0)), BAG)
    else:
        top = max(y + 90, 700)
        pen.line([(x - 18, top), (x - 16, y + 4), (x + 16, y + 4), (x + 18, top)], 8, (120, 122, 126), BAG)
        pen.fill([(x - 44, top), (x + 44, top), (x + 58, top + 12), (x + 60, 966), (x + 48, 980), (x - 48, 980),
            (x - 60, 966), (x - 58, top + 12)], fig.bag, BAG, smooth=1)
        for row in (top + 60, top + 130):
            pen.line([(x - 54, row), (x + 54, row)], 6, dark, BAG)
        for sign in (-1, 1):
            pen.spot(x + sign * 40, 986, 12, 12, (30, 30, 32), BAG)
    pen.spot(x, y, 16, 16, fig.skin, SKIN_PART, shade=1, edge=170)


def draw_carried(fig: Figure) -> None:
    """What the right hand, or both hands, hold."""
    pen, kind, colour = fig.pen, fig.outfit.carried, fig.carried
    if kind == "none":
        return
    x, y = _hand(fig, "right")
    if kind == "phone":
        pen.fill([(x - 14, y - 40), (x + 14, y - 40), (x + 14, y + 8), (x - 14, y + 8)], (24, 24, 28), CARRIED,
            smooth=0, shade=False)
        pen.fill([(x - 10, y - 35), (x + 10, y - 35), (x + 10, y + 2), (x - 10, y + 2)], (70, 90, 120), CARRIED,
            smooth=0, shade=False, edge=256)
    elif kind == "book":
        pen.fill([(x - 38, y - 62), (x + 38, y - 62), (x + 38, y + 34), (x - 38, y + 34)], colour, CARRIED, smooth=0)
        pen.line([(x + 34, y - 58), (x + 34, y + 30)], 7, (236, 232, 220), CARRIED)
        pen.line([(x - 20, y - 36), (x + 18, y - 36)], 7, blend(colour, (255, 255, 255)), CARRIED)
    elif kind == "cup":
        pen.fill([(x - 20, y - 46), (x + 20, y - 46), (x + 15, y + 16), (x - 15, y + 16)], colour, CARRIED, smooth=0)
        pen.fill([(x - 23, y - 56), (x + 23, y - 56), (x + 23, y - 44), (x - 23, y - 44)], (60, 44, 36), CARRIED,
            smooth=0)
    elif kind == "umbrella":
        pen.line([(x, y + 14), (x, y - 18)], 10, (60, 44, 30), CARRIED)
        pen.fill([(x - 12, y + 16), (x + 12, y + 16), (x + 20, y + 120), (x + 5, y + 286), (x - 5, y + 286),
            (x - 20, y + 120)], colour, CARRIED, smooth=1)
        pen.tone(tube([(x + 4, y + 30), (x, y + 260)], [2, 2]), 180, CARRIED, smooth=0)
        pen.line([(x, y + 284), (x, y + 304)], 6, (150, 150, 154), CARRIED)
    else:
        x = x + 26 if fig.side else 0
        pen.fill([(x - 80, y - 76), (x + 80, y - 76), (x + 80, y + 36), (x - 80, y + 36)], (176, 132, 84), CARRIED,
            smooth=0)
        pen.line([(x, y - 76), (x, y + 36)], 16, (206, 174, 128), CARRIED)
        if not fig.side:
            for sign in (-1, 1):
                pen.spot(sign * 70, y + 20, 17, 17, fig.skin, SKIN_PART, shade=1, edge=170)
        return
    pen.spot(x, y, 15, 16, dim(fig.skin, arms(fig)[0]) if fig.side and fig.near == "left" else fig.skin, SKIN_PART,
        shade=1, edge=170)
