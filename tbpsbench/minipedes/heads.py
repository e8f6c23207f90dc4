"""Heads: face, hair, beard. Drawn in a frame of their own: 200 units from the top of the head to the chin."""

from __future__ import annotations

# Outlines stay on few lines.
# fmt: off
from tbpsbench.minipedes.geometry import BEARD, FACE, HAIR_PART, Figure
from tbpsbench.minipedes.palette import mixed, scaled
from tbpsbench.minipedes.raster import Pen, Point, tube

WIDE = 72  # half width of a head


def head_pen(fig: Figure) -> Pen:
    """A pen whose origin is the top of the head."""
    b, pen = fig.body, fig.pen
    dx, dy = (b.stoop * 13 // 10, b.stoop * 6 // 10) if fig.side else (0, b.stoop // 2)
    return Pen(
        pen.canvas, pen.x + pen.flip * dx * pen.scale // 1000, pen.y + dy * pen.scale // 1000,
        pen.scale * b.head // 200, pen.flip, pen.lit,
    )  # fmt: skip


def _wide(fig: Figure) -> int:
    return WIDE + (6 if fig.person.build == "heavy" else 0)


def draw_hair_behind(fig: Figure) -> None:
    """Hair that hangs behind the shoulders in a front view."""
    pen, w, style, dark = head_pen(fig), _wide(fig), fig.person.hair_style, scaled(fig.hair, 205)
    if fig.back or fig.side:
        return
    if style == "long":
        pen.fill([(-w - 18, 40), (w + 18, 40), (w + 34, 200), (w + 24, 350), (-w - 24, 350), (-w - 34, 200)], dark,
            HAIR_PART, smooth=1)
    elif style == "bob":
        pen.fill([(-w - 12, 30), (w + 12, 30), (w + 26, 150), (w + 16, 212), (-w - 16, 212), (-w - 26, 150)], dark,
            HAIR_PART, smooth=1)
    elif style == "curly" and fig.person.sex == "woman":
        pen.fill(_curls(w + 38, 96, 122), dark, HAIR_PART, smooth=1)
    elif style == "ponytail":
        pen.fill([(w - 30, 20), (w + 26, 14), (w + 46, 90), (w + 36, 210), (w + 14, 250), (w + 2, 130)], dark,
            HAIR_PART, smooth=2)


def draw_head(fig: Figure) -> None:
    """Head, face and hair as seen from the shot's side."""
    if fig.back:
        _back(fig)
    elif fig.side:
        _profile(fig)
    else:
        _front(fig)


def _curls(rx: int, cy: int, ry: int) -> list[Point]:
    """A bumpy round outline."""
    points = []
    for i in range(32):
        r = 100 if i % 2 else 88
        x, y = _CIRCLE[i]
        points.append((rx * x * r // 102400, cy + ry * y * r // 102400))
    return points


_QUARTER = (0, 200, 392, 569, 724, 851, 946, 1004, 1024)  # sines of 0, 11.25 ... 90 degrees in 1/1024
_SINES = [*_QUARTER, *_QUARTER[-2:0:-1]]
_SINES += [-s for s in _SINES]
_CIRCLE = [(_SINES[(i + 8) % 32], _SINES[i]) for i in range(32)]


def _front(fig: Figure) -> None:
    pen, w, p, skin = head_pen(fig), _wide(fig), fig.person, fig.skin
    jaw = (52 if p.sex == "man" else 42) + (10 if p.build == "heavy" else 0) + fig.face[2]
    for sign in (-1, 1):
        pen.spot(sign * (w - 1), 108, 12, 22, skin, FACE, shade=0, edge=170)
    pen.fill([(-36, 2), (36, 2), (w - 6, 40), (w, 96), (w - 6, 136), (jaw, 176), (22, 199), (-22, 199), (-jaw, 176),
        (6 - w, 136), (-w, 96), (6 - w, 40)], skin, FACE, smooth=2)
    dark_skin, brow = scaled(skin, 176), mixed(fig.hair, (30, 24, 22),
        110 if p.hair_colour in ("white", "grey", "blond") else 40)
    eye_x = 29 + fig.face[0]
    for sign in (-1, 1):
        pen.spot(sign * eye_x, 99, 14, 8, (240, 238, 234), FACE)
        pen.spot(sign * eye_x, 99, 7, 8, (40, 30, 28), FACE)
        pen.line([(sign * (eye_x - 14), 82), (sign * (eye_x + 16), 80 + fig.face[1])], 9 if p.sex == "man" else 6,
            brow, FACE)
    pen.fill([(-4, 100), (6, 100), (14 + fig.face[1], 134), (-10, 136)], scaled(skin, 226), FACE, smooth=1,
        shade=False, edge=256)
    pen.line([(-9, 137), (11, 137)], 5, dark_skin, FACE)
    lips = mixed(skin, (186, 44, 56), 150 if p.sex == "woman" and p.age != "child" else 70)
    pen.fill([(-22, 160), (0, 155), (22, 160), (14, 168), (0, 171), (-14, 168)], lips, FACE, smooth=1, shade=False,
        edge=256)
    pen.line([(-20, 161), (20, 161)], 3, scaled(lips, 150), FACE)
    if p.age in ("middle-aged", "elderly"):
        for sign in (-1, 1):
            pen.tone(tube([(sign * 16, 134), (sign * 32, 160)], [2, 3]), 206, FACE, smooth=0)
    if p.age == "elderly":
        for sign in (-1, 1):
            pen.tone(tube([(sign * 18, 114), (sign * 44, 114)], [2, 3]), 196, FACE, smooth=0)
            pen.tone(tube([(sign * 38, 168), (sign * 30, 190)], [3, 3]), 204, FACE, smooth=0)
        for row in (58, 68):
            pen.tone(tube([(-34, row), (34, row)], [2, 2]), 206, FACE, smooth=0)
    _beard_front(fig, pen, w, jaw)
    _hair_front(fig, pen, w)


def _beard_front(fig: Figure, pen: Pen, w: int, jaw: int) -> None:
    kind, hair = fig.person.beard, fig.hair
    if kind == "none":
        return
    if kind in ("short beard", "full beard"):
        low = 206 if kind == "short beard" else 246
        out = w - 3 if kind == "short beard" else w + 4
        outline = [(-out, 112), (-w + 14, 128), (-34, 146), (34, 146), (w - 14, 128), (out, 112), (out - 6, 150),
            (jaw + 8, 186), (24, low), (-24, low), (-jaw - 8, 186), (6 - out, 150)]
        pen.fill(outline, scaled(hair, 240), BEARD, smooth=1, edge=200)
        pen.fill([(-19, 160), (0, 156), (19, 160), (0, 170)], mixed(fig.skin, (170, 60, 60), 110), FACE, smooth=1,
            shade=False, edge=256)
    pen.fill([(-34, 154), (-12, 140), (12, 140), (34, 154), (22, 156), (0, 150),
        (-22, 156)] if kind != "moustache" else [(-38, 156), (-14, 139), (14, 139), (38, 156), (20, 158), (0,
        152), (-20, 158)], hair, BEARD, smooth=1, shade=False, edge=256)


def _hair_front(fig: Figure, pen: Pen, w: int) -> None:
    style, hair, p = fig.person.hair_style, fig.hair, fig.person
    part = 14 if fig.face[3] >= 0 else -14
    if style == "bald":
        pen.tone([(-26, 8), (-4, 4), (4, 22), (-22, 26)], 292, FACE)
        if p.age != "young":  # a wreath above the ears
            for sign in (-1, 1):
                pen.fill([(sign * (w - 8), 58), (sign * (w + 5), 62), (sign * (w + 7), 104), (sign * (w - 4), 104)],
                    hair, HAIR_PART, smooth=1)
        return
    if style == "cropped":
        soft = mixed(hair, fig.skin, 50)
        pen.fill([(-w + 2, 84), (-w - 3, 48), (-42, 1), (0, -6), (42, 1), (w + 3, 48), (w - 2, 84), (w - 12, 52),
            (44, 34), (0, 30), (-44, 34), (12 - w, 52)], soft, HAIR_PART, smooth=1)
        return
    if style == "curly":
        rx, ry = (w + 26, 62) if p.sex == "woman" else (w + 14, 52)
        pen.fill(_curls(rx, 26, ry), hair, HAIR_PART, smooth=1, edge=170)
        for sign in (-1, 1):
            pen.spot(sign * (w + 5), 74, 17, 34, hair, HAIR_PART, shade=1)
        pen.fill([(6 - w, 70), (w - 6, 70), (w - 14, 108), (14 - w, 108)], fig.skin, FACE, smooth=1, shade=False,
            edge=256) if False else None
        for x, y in ((-52, 18), (-20, 4), (18, 10), (50, 22), (0, 34), (-36, 38), (34, 40)):
            pen.tone([(x - 9, y - 4), (x, y - 9), (x + 9, y - 4), (x, y - 1)], 300 if sum(hair) < 260 else 214,
                HAIR_PART, smooth=1)
        return
    top = -13 if style == "short" else -8
    down = {"short": 98, "ponytail": 92, "bun": 92, "bob": 205, "long": 200}[style]
    inner = w - 14
    cap = [
        (-w - 2, down), (-w - 8, 54), (-48, 2), (0, top), (48, 2), (w + 8, 54), (w + 2, down), (w - 8, down), (inner,
            66),
        (part * 3, 36), (part, 28), (-part * 3, 44), (-inner, 66), (8 - w, down),
    ]  # fmt: skip
    if part < 0:
        cap[9], cap[11] = cap[11], cap[9]
    if style in ("ponytail", "bun"):
        cap[9:12] = [(34, 40), (0, 30), (-34, 40)]
    if style == "bob":
        cap[9:12] = [(48, 62), (0, 66), (-48, 62)]  # a fringe
    pen.fill(cap, hair, HAIR_PART, smooth=1)
    for x in (-40, -14, 20, 44):
        pen.tone(tube([(x // 2, top + 8), (x, 38)], [2, 3]), 290 if sum(hair) < 240 else 212, HAIR_PART, smooth=0)
    if style in ("long", "bob"):
        end, spread = (350, 20) if style == "long" else (212, 18)
        for sign in (-1, 1):
            lock = [(sign * (w - 16), 46), (sign * (w + 8), 60), (sign * (w + spread), 170),
                (sign * (w + spread - 6), end - 16), (sign * (w - 8), end), (sign * (w - 22),
                end - 30), (sign * (w - 10), 150)]
            pen.fill(lock, hair, HAIR_PART, smooth=2)
            pen.tone(tube([(sign * (w + 2), 90), (sign * (w + 4), end - 20)], [2, 3]), 214, HAIR_PART, smooth=0)
    elif style == "bun" and fig.outfit.hat == "none":
        pen.fill(_curls(34, -26, 30), scaled(hair, 236), HAIR_PART, smooth=1)
    elif style == "ponytail":
        pen.fill([(-8, -12), (30, -24), (52, -6), (30, 8)], scaled(hair, 228), HAIR_PART, smooth=1)


def _back(fig: Figure) -> None:
    pen, w, style, hair = head_pen(fig), _wide(fig), fig.person.hair_style, fig.hair
    for sign in (-1, 1):
        pen.spot(sign * (w - 1), 108, 12, 22, fig.skin, FACE, shade=0, edge=170)
    pen.fill([(-36, 2), (36, 2), (w - 6, 40), (w, 96), (w - 8, 150), (44, 190), (-44, 190), (8 - w, 150), (-w, 96),
        (6 - w, 40)], fig.skin, FACE, smooth=2)
    if style == "bald":
        pen.tone([(-26, 10), (-4, 6), (4, 26), (-22, 30)], 290, FACE)
        if fig.person.age != "young":
            pen.fill([(-w - 2, 74), (-30, 108), (30, 108), (w + 2, 74), (w, 140), (40, 178), (-40, 178),
                (-w, 140)], hair, HAIR_PART, smooth=1)
        return
    nape = {"cropped": 142, "short": 164, "curly": 168, "bun": 156, "ponytail": 158}.get(style, 180)
    tint = mixed(hair, fig.skin, 50) if style == "cropped" else hair
    if style == "curly":
        big = fig.person.sex == "woman"
        pen.fill(_curls(w + (34 if big else 16), 78, 112 if big else 96), hair, HAIR_PART, smooth=1)
        for i in range(14):
            x, y = (i * 37) % 120 - 60, 10 + (i * 53) % 140
            pen.tone([(x - 10, y - 4), (x, y - 10), (x + 10, y - 4), (x, y - 1)], 300 if sum(hair) < 260 else 214,
                HAIR_PART, smooth=1)
        return
    pen.fill([(-44, -4), (0, -11), (44, -4), (w + 6, 42), (w + 4, 110), (w - 10, nape - 12), (0, nape + 6),
        (10 - w, nape - 12), (-w - 4, 110), (-w - 6, 42)], tint, HAIR_PART, smooth=1)
    if style == "long":
        pen.fill([(-w - 6, 50), (w + 6, 50), (w + 26, 200), (w + 14, 352), (0, 372), (-w - 14, 352), (-w - 26, 200)],
            hair, HAIR_PART, smooth=1)
    elif style == "bob":
        pen.fill([(-w - 6, 50), (w + 6, 50), (w + 22, 150), (w + 12, 212), (-w - 12, 212), (-w - 22, 150)], hair,
            HAIR_PART, smooth=1)
    for x in (-48, -20, 14, 44):
        pen.tone(tube([(x // 3, 4), (x, nape - 30)], [2, 3]), 290 if sum(hair) < 240 else 214, HAIR_PART, smooth=0)
        if style == "long":
            pen.tone(tube([(x, 170), (x * 12 // 10, 350)], [2, 4]), 290 if sum(hair) < 240 else 210, HAIR_PART,
                smooth=0)
    if style == "ponytail":
        pen.fill([(-22, 62), (22, 62), (34, 150), (24, 270), (0, 312), (-24, 270), (-34, 150)], scaled(hair, 246),
            HAIR_PART, smooth=2, edge=130)
        pen.line([(-20, 76), (20, 76)], 11, (170, 40, 60), HAIR_PART)
    elif style == "bun" and fig.outfit.hat == "none":
        pen.fill(_curls(40, 8, 38), scaled(hair, 244), HAIR_PART, smooth=1, edge=130)


def _profile(fig: Figure) -> None:
    pen, p, skin, hair, style = head_pen(fig), fig.person, fig.skin, fig.hair, fig.person.hair_style
    if style in ("long", "bob"):
        end = 350 if style == "long" else 210
        pen.fill([(20, 40), (-70, 20), (-96, 120), (-100, end - 30), (-70, end), (-34, end - 8), (-8, 200), (8, 120)],
            scaled(hair, 215), HAIR_PART, smooth=1)
    nose = 88 + fig.face[1] * 2
    chin = 66 if p.sex == "man" else 60
    face = [
        (22, 0), (56, 26), (66, 66), (62, 90), (74, 112), (nose, 132), (68, 142), (73, 154), (68, 160), (71,
            166), (chin, 178), (chin - 4, 196),
        (24, 200), (-16, 170), (-34, 176), (-66, 140), (-80, 84), (-64, 26), (-24, -2),
    ]  # fmt: skip
    pen.fill(face, skin, FACE, smooth=1)
    pen.spot(46, 101, 9, 8, (240, 238, 234), FACE)
    pen.spot(50, 101, 6, 8, (40, 30, 28), FACE)
    brow = mixed(hair, (30, 24, 22), 110 if p.hair_colour in ("white", "grey", "blond") else 40)
    pen.line([(36, 84), (63, 81)], 8 if p.sex == "man" else 5, brow, FACE)
    pen.line([(50, 160), (69, 160)], 6, mixed(skin, (180, 50, 56), 150 if p.sex == "woman" else 80), FACE)
    if p.age == "elderly":
        pen.tone(tube([(52, 130), (38, 164)], [2, 3]), 196, FACE, smooth=0)
        pen.tone(tube([(24, 104), (12, 112)], [2, 3]), 190, FACE, smooth=0)
    if p.beard != "none":
        if p.beard != "moustache":
            low = 208 if p.beard == "short beard" else 248
            pen.fill([(2, 112), (16, 116), (26, 142), (50, 150), (60, 168), (chin + 6, 176), (chin + 2, low - 10),
                (30, low), (-8, 178), (-10, 140)], scaled(hair, 240), BEARD, smooth=1, edge=200)
            pen.line([(54, 160), (69, 160)], 7, mixed(skin, (170, 60, 60), 110), FACE)
        pen.fill([(74, 141), (50, 146), (42, 160), (56, 156), (72, 153)], hair, BEARD, smooth=1, shade=False, edge=256)
    _hair_side(fig, pen)
    if style not in ("long", "bob"):
        pen.spot(-10, 112, 13, 22, skin, FACE, shade=0, edge=165)


def _hair_side(fig: Figure, pen: Pen) -> None:
    style, hair = fig.person.hair_style, fig.hair
    if style == "bald":
        pen.tone([(-30, 10), (0, 6), (6, 24), (-28, 28)], 290, FACE)
        if fig.person.age != "young":
            pen.fill([(-82, 74), (-20, 84), (4, 96), (-4, 118), (-40, 150), (-66, 142)], hair, HAIR_PART, smooth=1)
        return
    if style == "curly":
        big = fig.person.sex == "woman"
        rx, ry, cy = (94, 96, 74) if big else (82, 70, 52)
        pen.fill([(min(x - 22, 60 - max(y - 40, 0)), y) for x, y in _curls(rx, cy, ry)], hair, HAIR_PART, smooth=1)
        for i in range(9):
            x, y = (i * 37) % 100 - 84, (i * 29) % 90
            pen.tone([(x - 9, y - 4), (x, y - 9), (x + 9, y - 4), (x, y - 1)], 300 if sum(hair) < 260 else 214,
                HAIR_PART, smooth=1)
        return
    top, nape = (-4, 132) if style == "cropped" else (-13, 152)
    tint = mixed(hair, fig.skin, 50) if style == "cropped" else hair
    low = 112 if style in ("short", "cropped") else 96
    pen.fill([(62, 46), (56, 14), (20, top), (-30, top), (-74, 18), (-90, 84), (-76, nape - 10), (-44, nape + 8),
        (-30, 130), (-24, low), (2, low + 4), (10, 80), (26, 52)], tint, HAIR_PART, smooth=1)
    for x0, x1 in ((40, 4), (6, -28), (-24, -64)):
        pen.tone(tube([(x0, top + 14), (x1, 64)], [2, 3]), 290 if sum(hair) < 240 else 214, HAIR_PART, smooth=0)
    if style in ("long", "bob"):
        end = 348 if style == "long" else 208
        pen.fill([(30, 40), (-40, 30), (-88, 90), (-94, end - 40), (-70, end), (-36, end - 12),
            (-6, end - 60 if end > 300 else 190), (14, 120)], hair, HAIR_PART, smooth=2)
        for x in (-70, -44, -18):
            pen.tone(tube([(x + 16, 80), (x, end - 40)], [2, 3]), 290 if sum(hair) < 240 else 212, HAIR_PART, smooth=0)
    elif style == "ponytail":
        pen.fill([(-66, 40), (-98, 34), (-132, 80), (-136, 180), (-116, 268), (-104, 200), (-92, 110)],
            scaled(hair, 240), HAIR_PART, smooth=2, edge=130)
        pen.line([(-84, 36), (-88, 66)], 10, (170, 40, 60), HAIR_PART)
    elif style == "bun" and fig.outfit.hat == "none":
        pen.fill([(x - 62, y) for x, y in _curls(38, 2, 36)], scaled(hair, 240), HAIR_PART, smooth=1, edge=130)
