"""The trunk, upper garments with their details, and arms."""

from __future__ import annotations

# Outlines stay on few lines.
# fmt: off
from tbpsbench.minipedes.geometry import INNER, LOWER, PRINT, SKIN_PART, UPPER, Figure, Limb, arms, blend, dim
from tbpsbench.minipedes.legs import SKIRT_HEM, pleats, skirt
from tbpsbench.minipedes.palette import scaled
from tbpsbench.minipedes.people import LONG_SLEEVES
from tbpsbench.minipedes.raster import Paint, Point, tube

EASE = {
    "T-shirt": 6, "shirt": 8, "polo shirt": 6, "sweater": 12, "hoodie": 14, "jacket": 14, "puffer jacket": 25,
    "coat": 15, "tank top": 1, "dress": 3,
}  # fmt: skip
HEM = {  # below the hips
    "T-shirt": 10, "shirt": 22, "polo shirt": 6, "sweater": 14, "hoodie": 18, "jacket": 16, "puffer jacket": 24,
    "coat": 210, "tank top": 2, "dress": 0,
}  # fmt: skip
SHORT_SLEEVES = frozenset({"T-shirt", "polo shirt", "dress"})


def draw_trunk(fig: Figure) -> None:
    """Neck and upper garment without the sleeves."""
    b, kind, ease = fig.body, fig.outfit.upper, EASE[fig.outfit.upper]
    hem = b.hip_y + HEM[kind]
    if kind == "dress":
        hem = b.waist_y + 44
        fig.pen.fill(skirt(fig, b.waist_y + 20, SKIRT_HEM["dress"]), fig.upper, UPPER, smooth=1)
        pleats(fig, SKIRT_HEM["dress"], UPPER)
    outline = _side_outline(fig, ease, hem) if fig.side else _front_outline(fig, ease, hem)
    _neck(fig)
    if kind == "tank top":
        if not fig.side:
            fig.pen.fill(_front_outline(fig, 0, b.waist_y), fig.skin, SKIN_PART, smooth=1)
        else:
            fig.pen.fill(_side_outline(fig, 0, b.waist_y), fig.skin, SKIN_PART, smooth=1)
    fig.pen.fill(outline, fig.upper, UPPER, smooth=1)
    _details(fig, ease, hem)


def draw_arm(fig: Figure, limb: Limb) -> None:
    """An arm with its sleeve and hand."""
    b, kind, pen = fig.body, fig.outfit.upper, fig.pen
    shoulder, elbow, wrist = limb.joints
    ease = EASE[kind] * 55 // 100
    r0, r1, r2 = (r * (b.limb + 40) // 140 for r in (29, 24, 18))
    skin = dim(fig.skin, limb)
    dx, dy = wrist[0] - elbow[0], wrist[1] - elbow[1]
    hand = (wrist[0] + dx * 18 // 140, wrist[1] + dy * 18 // 140)
    pose = fig.shot.left_arm if limb.name == "left" else fig.shot.right_arm
    if pose != "pocket":
        pen.spot(*hand, 17, 21, skin, SKIN_PART, shade=1, edge=170)
    pen.fill(tube([shoulder, elbow, wrist], [r0 - 2, r1 - 2, r2 - 2]), skin, SKIN_PART, smooth=2)
    paint = Paint(dim(fig.upper.colour, limb), fig.upper.pattern, dim(fig.upper.accent, limb))
    if kind in LONG_SLEEVES:
        path = [_above(shoulder, elbow, r0 + ease), shoulder, elbow, wrist]
        pen.fill(tube(path, [r0 - 8, r0 + ease, r1 + ease, r2 + ease]), paint, UPPER, smooth=2, edge=135)
        mid = ((elbow[0] * 3 + shoulder[0]) // 4, (elbow[1] * 3 + shoulder[1]) // 4)
        for at, way in ((elbow, 1), (mid, -1)):
            pen.tone(tube([(at[0] - way * r1, at[1] - 7), (at[0] + way * r1 // 2, at[1] + 7)], [2, 4]), 190, UPPER,
                smooth=0)
        if kind == "puffer jacket":
            for share in (25, 55, 85):
                x, y = ((s * (100 - share) + e * share) // 100 for s, e in zip(shoulder, elbow, strict=True))
                pen.tone(tube([(x - r0 - ease, y), (x + r0 + ease, y)], [3, 3]), 165, UPPER, smooth=0)
        cuff = (wrist[0] - dx * 8 // 140, wrist[1] - dy * 8 // 140)
        if kind in ("hoodie", "sweater"):
            pen.tone(tube([cuff, wrist], [r2 + ease + 4, r2 + ease + 4]), 205, UPPER, smooth=0)
    elif kind in SHORT_SLEEVES:
        end = ((shoulder[0] * 3 + elbow[0] * 7) // 10, (shoulder[1] * 3 + elbow[1] * 7) // 10)
        top = _above(shoulder, elbow, r0 + ease)
        pen.fill(tube([top, shoulder, end], [r0 - 8, r0 + ease, r1 + ease + 9]), paint, UPPER, smooth=1, edge=140)


def draw_arms(fig: Figure, *, far: bool) -> None:
    """The arms on the averted (`far`) or on the visible side."""
    for limb in arms(fig):
        if limb.far == far:
            draw_arm(fig, limb)


def _above(shoulder: Point, elbow: Point, by: int) -> Point:
    """The top of a sleeve: a little beyond the shoulder, away from the elbow."""
    return shoulder[0] + (shoulder[0] - elbow[0]) * by // 330, shoulder[1] + (shoulder[1] - elbow[1]) * by // 220


def _front_outline(fig: Figure, ease: int, hem: int) -> list[Point]:
    b, narrow = fig.body, 26 if fig.outfit.upper == "tank top" else 0
    sw, sy = b.shoulder_w + ease // 2 - narrow, b.shoulder_y
    hips = max(b.hip_w, b.waist_w) + ease + (12 if hem > b.hip_y + 100 else 0)
    right = [
        (b.neck_w + 4, sy - 15), (sw - 22, sy - 1), (sw, sy + 22), (b.chest_w + ease, sy + 78),
        (b.waist_w + ease, b.waist_y), (min(hips, hips if hem > b.hip_y - 30 else b.waist_w + ease + 4),
            hem - 26), (hips, hem),
    ]  # fmt: skip
    if hem < b.hip_y - 30:
        right[-2:] = [(b.waist_w + ease, hem)]
    return right + [(-x, y) for x, y in right[::-1]]


def _side_outline(fig: Figure, ease: int, hem: int) -> list[Point]:
    b = fig.body
    e, sy, lean, hip = ease * 7 // 10, b.shoulder_y, b.stoop // 2, -b.stoop // 2
    bust = 18 if fig.person.sex == "woman" and fig.person.age != "child" else 4
    belly = 12 if b.waist_d > 80 else 0
    low = b.hip_d + e + (18 if hem > b.hip_y + 100 else 2)
    if hem < b.hip_y - 30:
        low = b.waist_d + e
    return [
        (lean - 26, sy - 16), (lean + 22, sy - 14), (b.chest_d + e - 10 + lean,
            sy + 30), (b.chest_d + e + bust + lean // 2, sy + 92),
        (b.waist_d + e + belly, b.waist_y), (hip + low + belly, hem - 24), (hip + low + belly // 2,
            hem), (hip - low - 4, hem),
        (hip - low - 6, hem - 60), (-b.waist_d - e + 4, b.waist_y - 10), (-b.chest_d - e - 8 - lean // 2,
            sy + 80), (-b.chest_d - e + 8, sy + 22),
    ]  # fmt: skip


def _neck(fig: Figure) -> None:
    b = fig.body
    x, nw = b.stoop // 2, b.neck_w if not fig.side else b.neck_w * 95 // 100
    lean = b.stoop * 6 // 10 if fig.side else 0
    chin = b.head - 34 + b.stoop // 2
    fig.pen.fill(
        [(lean + x * fig.side - nw, chin), (lean + x * fig.side + nw, chin), (nw + 6, b.shoulder_y + 14),
            (-nw - 6, b.shoulder_y + 14)],
        scaled(fig.skin, 225), SKIN_PART, smooth=0,
    )  # fmt: skip
    if not fig.side:
        fig.pen.fill([(-nw - 14, b.shoulder_y - 16), (nw + 14, b.shoulder_y - 16), (nw, b.shoulder_y + 22),
            (0, b.shoulder_y + 40), (-nw, b.shoulder_y + 22)], scaled(fig.skin, 240), SKIN_PART, smooth=1, edge=256)


def _details(fig: Figure, ease: int, hem: int) -> None:
    b, kind, pen = fig.body, fig.outfit.upper, fig.pen
    sy, dark = b.shoulder_y, blend(fig.upper.colour, (0, 0, 0))
    if fig.side:
        _folds(fig, b.chest_d, hem)
        if kind == "hoodie":
            pen.fill([(-50, sy - 30), (12, sy - 32), (26, sy - 4), (-16, sy + 34), (-66, sy + 20)],
                scaled(fig.upper.colour, 232), UPPER, smooth=2)
        elif kind in ("shirt", "polo shirt", "jacket", "coat", "puffer jacket"):
            x = b.stoop // 2
            pen.fill([(x - 34, sy - 30), (x + 30, sy - 22), (x + 34, sy - 2), (x - 36, sy)],
                scaled(fig.upper.colour, 236), UPPER, smooth=0)
        if kind in ("jacket", "puffer jacket", "coat") and fig.outfit.inner_colour != "none":
            pen.fill([(b.chest_d + ease - 12, sy + 34), (b.chest_d + ease + 22, sy + 90),
                (b.waist_d + ease + 14, b.waist_y), (b.waist_d + ease - 14, b.hip_y - 8), (b.chest_d - 16,
                sy + 60)], fig.inner, INNER, smooth=1, within=UPPER)
        if kind == "puffer jacket":
            _quilt(fig, sy, hem, b.chest_d + ease + 40)
        return
    _folds(fig, b.chest_w, hem)
    if kind == "puffer jacket":
        _quilt(fig, sy, hem, b.chest_w + b.waist_w)
    if fig.back:
        _back_details(fig, hem)
        return
    neck = [(-b.neck_w - 4, sy - 16), (b.neck_w + 4, sy - 16), (b.neck_w - 6, sy + 14)]
    low = {"T-shirt": 24, "sweater": 18, "dress": 44, "tank top": 52, "polo shirt": 36, "shirt": 34,
        "hoodie": 22}.get(kind, 30)
    if kind in EASE and not (kind in ("jacket", "puffer jacket", "coat") and fig.outfit.inner_colour == "none"):
        pen.fill([*neck, (0, sy + low), (6 - b.neck_w, sy + 14)], fig.skin, SKIN_PART, smooth=1, edge=190)
    if kind in ("jacket", "puffer jacket", "coat"):
        if fig.outfit.inner_colour != "none":
            end = hem - 8
            pen.fill([(-b.neck_w - 2, sy - 12), (b.neck_w + 2, sy - 12), (30, sy + 60), (40, end), (-40, end),
                (-30, sy + 60)], fig.inner, INNER, smooth=0)
            pen.fill([*neck, (0, sy + 22), (6 - b.neck_w, sy + 14)], fig.skin, SKIN_PART, smooth=1, edge=190)
            if kind == "coat":
                pen.fill([(-38, b.hip_y - 12), (38, b.hip_y - 12), (38, end), (-38, end)],
                    dim(fig.lower, Limb("", ((0, 0),) * 3, True)), LOWER, smooth=0)
        else:
            pen.line([(0, sy - 10), (0, hem - 4)], 6, (170, 172, 176) if kind != "coat" else dark, UPPER)
        for sign in (-1, 1):  # lapels or stand-up collar
            pen.fill([(sign * (b.neck_w + 6), sy - 26), (sign * (b.neck_w + 22), sy - 6), (sign * 40, sy + 58),
                (sign * 6, sy + 34 if fig.outfit.inner_colour == "none" else sy + 30)],
                scaled(fig.upper.colour, 236), UPPER, smooth=0, edge=130)
            pen.tone(tube([(sign * (b.waist_w - 6), b.waist_y + 54), (sign * (b.waist_w - 34), b.waist_y + 64)],
                [3, 3]), 165, UPPER, smooth=0)
    if kind == "coat" and fig.outfit.inner_colour == "none":
        for row in range(sy + 80, b.hip_y + 60, 62):
            for sign in (-1, 1):
                pen.spot(sign * 15, row, 6, 6, dark, UPPER)
    if kind in ("shirt", "polo shirt"):
        end = hem - 6 if kind == "shirt" else sy + 92
        pen.tone(tube([(0, sy + 24), (0, end)], [3, 3]), 200, UPPER, smooth=0)
        for row in range(sy + 46, end, 44 if kind == "shirt" else 22):
            pen.spot(0, row, 5, 5, (240, 240, 236) if sum(fig.upper.colour) < 380 else (80, 80, 84), UPPER)
        for sign in (-1, 1):
            pen.fill([(sign * (b.neck_w + 2), sy - 30), (sign * (b.neck_w + 14), sy - 10), (sign * 24, sy + 34),
                (0, sy + 26), (sign * (b.neck_w - 6),
                sy - 4)], scaled(fig.upper.colour, 268), UPPER, smooth=0, edge=150)
    if kind == "hoodie":
        pen.fill([(-b.neck_w - 20, sy - 18), (-b.neck_w + 2, sy - 26), (-8, sy + 26), (8, sy + 26),
            (b.neck_w - 2, sy - 26), (b.neck_w + 20, sy - 18), (22, sy + 48), (-22,
            sy + 48)], scaled(fig.upper.colour, 226), UPPER, smooth=1, edge=140)
        for sign in (-1, 1):
            pen.line([(sign * 12, sy + 40), (sign * 14, sy + 100)], 6,
                (232, 232, 228) if sum(fig.upper.colour) < 560 else (70, 70, 76), UPPER)
        y = b.waist_y
        pen.tone([(-46, y + 10), (46, y + 10), (64, y + 70), (-64, y + 70)], 214, UPPER, smooth=0)
    if kind in ("sweater", "T-shirt"):
        pen.fill(tube([(-b.neck_w - 4, sy - 14), (-14, sy + low - 4), (14, sy + low - 4), (b.neck_w + 4, sy - 14)],
            [5, 5, 5, 5]), scaled(fig.upper.colour, 216), UPPER, smooth=0, edge=256)
    if kind in ("sweater", "hoodie"):
        pen.tone([(-200, hem - 16), (200, hem - 16), (200, hem), (-200, hem)], 208, UPPER, smooth=0)
    if fig.outfit.upper_pattern == "print":
        _print(fig, sy + 104)


def _print(fig: Figure, y: int) -> None:
    """A patch on the chest: one of three forms, fixed by the person's traits."""
    form = fig.face[0] % 3
    if form == 0:
        fig.pen.spot(0, y, 36, 32, fig.accent, PRINT)
        fig.pen.spot(0, y, 17, 15, fig.upper.colour, PRINT)
    elif form == 1:
        fig.pen.fill([(-48, y - 16), (48, y - 16), (48, y + 16), (-48, y + 16)], fig.accent, PRINT, smooth=0,
            shade=False, edge=256)
        fig.pen.line([(-34, y), (34, y)], 8, fig.upper.colour, PRINT)
    else:
        fig.pen.fill([(0, y - 40), (40, y + 26), (-40, y + 26)], fig.accent, PRINT, smooth=0, shade=False, edge=256)


def _folds(fig: Figure, wide: int, hem: int) -> None:
    b, pen = fig.body, fig.pen
    for x0, y0, x1, y1 in ((-70, 60, -34, 92), (70, 66, 38, 100), (-64, -20, -20, -2), (66, -34, 26, -10),
        (30, 20, 64, 36)):
        near = b.shoulder_y if y0 > 40 else b.waist_y + 20
        pen.tone(tube([(x0 * wide // 82, near + y0), (x1 * wide // 82, near + y1)], [1, 5]), 206, UPPER, smooth=1)
    if hem > b.hip_y + 100:
        for x in (-50, 46):
            pen.tone(tube([(x, b.hip_y - 10), (x * 13 // 10, hem)], [2, 5]), 200, UPPER, smooth=0)


def _quilt(fig: Figure, sy: int, hem: int, wide: int) -> None:
    for row in range(sy + 44, hem, 44):
        fig.pen.tone(tube([(-wide, row), (0, row + 5), (wide, row)], [4, 4, 4]), 160, UPPER, smooth=0)
        fig.pen.tone(tube([(-wide, row - 20), (wide, row - 20)], [7, 7]), 275, UPPER, smooth=0)


def _back_details(fig: Figure, hem: int) -> None:
    b, kind, pen = fig.body, fig.outfit.upper, fig.pen
    sy = b.shoulder_y
    if kind == "hoodie":
        pen.fill([(-b.neck_w - 26, sy - 20), (b.neck_w + 26, sy - 20), (52, sy + 42), (0, sy + 78), (-52, sy + 42)],
            scaled(fig.upper.colour, 226), UPPER, smooth=2, edge=130)
    elif kind in ("shirt", "polo shirt", "jacket", "puffer jacket", "coat"):
        pen.fill([(-b.neck_w - 10, sy - 28), (b.neck_w + 10, sy - 28), (b.neck_w + 14, sy - 4),
            (-b.neck_w - 14, sy - 4)], scaled(fig.upper.colour, 238), UPPER, smooth=0)
    if kind in ("jacket", "coat", "shirt"):
        pen.tone(tube([(-b.chest_w, sy + 52), (b.chest_w, sy + 52)], [2, 2]), 190, UPPER, smooth=0)
    if kind == "coat":
        pen.tone(tube([(0, b.hip_y), (0, hem)], [3, 3]), 165, UPPER, smooth=0)
    if kind in ("sweater", "hoodie"):
        pen.tone([(-200, hem - 16), (200, hem - 16), (200, hem), (-200, hem)], 208, UPPER, smooth=0)
