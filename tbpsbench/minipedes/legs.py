"""Legs, lower garments, skirts and shoes."""

from __future__ import annotations

# Outlines stay on few lines.
# fmt: off
from tbpsbench.minipedes.geometry import LOWER, SHOES, SKIN_PART, Figure, Limb, blend, dim, legs
from tbpsbench.minipedes.palette import scaled
from tbpsbench.minipedes.raster import Colour, Point, tube

SKIRT_HEM = {"short skirt": 655, "long skirt": 880, "dress": 745}  # y of the hem
EASE = {"trousers": 9, "jeans": 6, "leggings": 0, "shorts": 12}


def draw_legs(fig: Figure) -> None:
    """Legs with shoes and what is worn on them; dresses are drawn with the upper garment."""
    for limb in legs(fig):
        _bare_leg(fig, limb)
        _shoe(fig, limb)
        if fig.outfit.lower in EASE:
            _trouser_leg(fig, limb)
    if fig.outfit.lower in EASE:
        _pelvis(fig)
    elif fig.outfit.lower in SKIRT_HEM:
        fig.pen.fill(skirt(fig, fig.body.waist_y + 40, SKIRT_HEM[fig.outfit.lower]), fig.lower, LOWER, smooth=1)
        pleats(fig, SKIRT_HEM[fig.outfit.lower], LOWER)


def _widths(fig: Figure, ease: int) -> list[int]:
    """Radii of hip, knee and ankle."""
    b = fig.body
    thigh = b.hip_d * 68 // 100 if fig.side else b.hip_w * 47 // 100
    return [thigh + ease, 33 * b.limb // 100 + ease, 20 * (b.limb + 100) // 200 + ease]


def _bare_leg(fig: Figure, limb: Limb) -> None:
    hip, knee, ankle = limb.joints
    wide, mid, thin = _widths(fig, -4)
    bulge = -9 if fig.side else 0
    calf = ((knee[0] * 6 + ankle[0] * 4) // 10 + bulge, (knee[1] * 6 + ankle[1] * 4) // 10)
    path, radii = [hip, knee, calf, ankle, (ankle[0], ankle[1] + 16)], [wide, mid - 3, mid - 3, thin, thin]
    fig.pen.fill(tube(path, radii), dim(fig.skin, limb), SKIN_PART, smooth=2)


def _trouser_leg(fig: Figure, limb: Limb) -> None:
    kind, (hip, knee, ankle) = fig.outfit.lower, limb.joints
    wide, mid, thin = _widths(fig, EASE[kind])
    colour = dim(fig.lower, limb)
    if kind == "shorts":
        end = (knee[0], knee[1] - 18)
        fig.pen.fill(tube([hip, _between(hip, end, 50), end], [wide, wide - 2, mid + 14]), colour, LOWER, smooth=1)
        return
    if kind == "leggings":
        path, radii = [hip, knee, _between(knee, ankle, 35), _between(knee, ankle, 92)], [wide - 3, mid - 3, mid - 4,
            thin - 1]
    else:
        path, radii = [hip, knee, ankle, (ankle[0], ankle[1] + 14)], [wide, mid, thin + 7, thin + 9]
    fig.pen.fill(tube(path, radii), colour, LOWER, smooth=1)
    if kind == "leggings":
        return
    for share, side in ((88, 1), (96, -1), (4, 1), (70, -1)):  # folds at the knee and above the shoe
        x, y = _between(knee, ankle, share)
        fig.pen.tone(tube([(x - side * mid, y - 8), (x + side * 6, y + 5)], [2, 3]), 200, LOWER, smooth=0)
    if kind == "jeans":
        seam = [(x + (mid - 8 if limb.name == "left" else 8 - mid), y) for x, y in (hip, knee, ankle)]
        if not fig.side:
            fig.pen.tone(tube(seam, [2, 2, 2]), 178, LOWER, smooth=0)
        fig.pen.tone(tube([_between(hip, knee, 30), _between(hip, knee, 92)], [wide // 3, mid // 3]), 292, LOWER)
        foot = (ankle[0], ankle[1] + 6)
        fig.pen.fill(tube([(foot[0] - thin - 8, foot[1]), (foot[0] + thin + 8, foot[1])], [9, 9]), scaled(colour, 300),
            LOWER, smooth=0, edge=200)


def _pelvis(fig: Figure) -> None:
    b, ease = fig.body, EASE[fig.outfit.lower]
    crotch = b.hip_y + 46
    if fig.side:
        ww, hw, x = b.waist_d + ease, b.hip_d + ease, -b.stoop // 2
        outline = [(x - ww + 6, b.waist_y + 26), (x + ww, b.waist_y + 26), (x + hw - 4, b.hip_y),
            (x + hw - 16, crotch), (x - hw + 4, crotch + 12), (x - hw - 6, b.hip_y)]
    else:
        ww, hw = b.waist_w + ease, b.hip_w + ease
        outline = [(-ww, b.waist_y + 26), (ww, b.waist_y + 26), (hw, b.hip_y), (hw - 3, crotch + 10), (7, crotch + 26),
            (-7, crotch + 26), (3 - hw, crotch + 10), (-hw, b.hip_y)]
    fig.pen.fill(outline, fig.lower, LOWER, smooth=1, edge=215)
    if fig.side:
        return
    if fig.back and fig.outfit.lower != "leggings":
        fig.pen.tone(tube([(0, b.waist_y + 30), (0, crotch + 26)], [2, 2]), 175, LOWER, smooth=0)
        for sign in (-1, 1):  # back pockets
            x, y = sign * hw * 48 // 100, b.hip_y - 6
            fig.pen.tone([(x - 20, y - 22), (x + 20, y - 22), (x + 20, y + 12), (x, y + 20), (x - 20, y + 12)], 212,
                LOWER, smooth=0)
    elif not fig.back:
        fig.pen.tone(tube([(0, b.hip_y - 10), (0, crotch + 26)], [2, 2]), 170, LOWER, smooth=0)
        for sign in (-1, 1):
            fig.pen.tone(tube([(sign * (hw - 34), b.hip_y - 40), (sign * (hw - 4), b.hip_y - 6)], [2, 2]), 175, LOWER,
                smooth=0)


def skirt(fig: Figure, top: int, hem: int) -> list[Point]:
    """Outline of a skirt between two heights."""
    b, flare = fig.body, (hem - 560) // 9 + 12
    if fig.side:
        ww, hw, x = b.waist_d + 3, b.hip_d + 9, -b.stoop // 2
    else:
        ww, hw, x = b.waist_w + 3, b.hip_w + 8, 0
    stride = (34 if fig.side else 0) * (fig.shot.gait == "walking") * (hem - 500) // 380
    right = [(x + ww, top), (x + hw, b.hip_y), (x + hw + flare + stride, hem - 5),
        (x + hw + flare + stride - 10, hem + 6)]
    left = [(2 * x - px - (stride if py > b.hip_y + 20 else 0) // 3, py) for px, py in right]
    return [*right, (x, hem + 12), *left[::-1]]


def pleats(fig: Figure, hem: int, part: int) -> None:
    """Folds that fan out towards the hem."""
    wide = fig.body.hip_d if fig.side else fig.body.hip_w
    for i in (-3, -1, 1, 3):
        fig.pen.tone(tube([(i * wide // 6, fig.body.hip_y), (i * wide // 4, hem + 8)], [1, 5]), 205, part, smooth=0)


def _shoe(fig: Figure, limb: Limb) -> None:
    kind, colour, (x, y) = fig.outfit.shoes, dim(fig.shoes, limb), limb.joints[2]
    pen, white = fig.pen, dim((228, 228, 224), limb)
    sole = {"sneakers": white, "boots": (28, 24, 22), "sandals": scaled(colour, 150), "dress shoes": (24, 20, 20)}[kind]
    y = y + 42
    if not fig.side:
        out = 6 if limb.name == "left" else -6
        top = y - (36 if fig.back else 40)
        w = 27 * (fig.body.limb + 200) // 300
        form = [(x - w + 6, top), (x + w - 6, top), (x + w + 2 + out // 2, y - 12), (x + w - 2 + out, y + 8),
            (x - w + 2 + out, y + 8), (x - w - 2 + out // 2, y - 12)]
        if kind == "sandals":
            pen.fill(form, dim(fig.skin, limb), SKIN_PART, smooth=1)
            for row in (y - 20, y - 6):
                pen.line([(x - w + 2, row), (x + w - 2 + out // 2, row)], 10, colour, SHOES)
        else:
            pen.fill(form, colour, SHOES, smooth=1)
        pen.line([(x - w + out // 2, y + 5), (x + w + out // 2, y + 5)], 13 if kind == "sneakers" else 8, sole, SHOES)
        if kind == "sneakers" and not fig.back:
            for row in (y - 28, y - 20):
                pen.line([(x - 9, row), (x + 9 + out // 3, row)], 5,
                    white if colour[0] + colour[1] < 400 else (90, 90, 96), SHOES)
        if kind == "boots":
            _shaft(fig, x, y, w - 2, colour)
        return
    tilt = 14 if x < -70 else 0  # the rear foot stands on its toes
    heel, toe = (x - 30, y - tilt), (x + 84, y)
    low = 12 if kind == "dress shoes" else 0
    form = [(x - 28, y - 44 - tilt), (x + 22, y - 42), (x + 46, y - 24 + low // 2), (toe[0] - 4, y - 20 + low // 2),
        (toe[0] + 4, y + 4), (toe[0] - 10, y + 8), (heel[0], heel[1] + 8), (heel[0] - 6, heel[1] - 14)]
    if kind == "sandals":
        pen.fill(form, dim(fig.skin, limb), SKIN_PART, smooth=1)
        pen.line([(x - 28, y - 22 - tilt), (x + 26, y - 26)], 10, colour, SHOES)
        pen.line([(x + 46, y - 26), (x + 52, y + 2)], 11, colour, SHOES)
    else:
        pen.fill(form, colour, SHOES, smooth=1)
    pen.line([(heel[0] - 2, heel[1] + 6), (toe[0], toe[1] + 6)], 14 if kind == "sneakers" else 8, sole, SHOES)
    if kind == "dress shoes":
        pen.line([(heel[0] + 2, heel[1] + 12), (heel[0] + 20, heel[1] + 12)], 9, sole, SHOES)
    if kind == "boots":
        _shaft(fig, x - 2, y - tilt, 30 * (fig.body.limb + 200) // 300, colour)


def _shaft(fig: Figure, x: int, y: int, w: int, colour: Colour) -> None:
    """The upper part of a boot, over narrow trousers and bare legs, under wide ones."""
    if fig.outfit.lower in ("trousers", "jeans"):
        return
    fig.pen.fill([(x - w, y - 118), (x + w, y - 118), (x + w - 2, y - 24), (x - w + 2, y - 24)], colour, SHOES,
        smooth=1)
    fig.pen.line([(x - w + 3, y - 108), (x + w - 3, y - 108)], 5, blend(colour, (0, 0, 0)), SHOES)


def _between(a: Point, b: Point, percent: int) -> Point:
    return a[0] + (b[0] - a[0]) * percent // 100, a[1] + (b[1] - a[1]) * percent // 100
