"""Filling polygons with integers only: the same pixels on every machine and library version.

Shapes are given in units of a `Pen`, turned into fixed-point numbers (1/16 of a sub-pixel), filled by scanlines with
the non-zero rule and exact floor division, shaded by integer gain tables, and averaged down by whole sub-pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

Point = tuple[int, int]
Colour = tuple[int, int, int]

FP = 4  # fractional bits of a coordinate
SHADE = np.array(  # gain in 1/256 across a round form from the lit to the dark side, 32 steps
    (232, 244, 252, 258, 263, 266, 268, 269, 269, 268, 267, 265, 263, 260, 257, 254,
     250, 246, 242, 238, 233, 228, 223, 217, 211, 205, 199, 193, 187, 182, 178, 175), np.int16,
)  # fmt: skip
_GAINS = 288  # gains that a table covers: 0 .. 287 in 1/256
_ROUND = ((1024, 0), (887, 512), (512, 887), (0, 1024), (-512, 887), (-887, 512))  # cosine, sine in 1/1024, 30 degrees


def sine(degrees: int) -> int:
    """Sine in 1/1024 by Bhaskara's rational approximation in integers (error below 0.2 %)."""
    degrees %= 360
    sign, d = (1, degrees) if degrees <= 180 else (-1, degrees - 180)
    return sign * (4096 * d * (180 - d) // (40500 - d * (180 - d)))


def turned(start: Point, length: int, degrees: int) -> Point:
    """The point `length` below `start`, swung by `degrees` towards +x."""
    return start[0] + length * sine(degrees) // 1024, start[1] + length * sine(degrees + 90) // 1024


def smoothed(points: Sequence[Point], rounds: int) -> list[Point]:
    """A closed outline with its corners cut `rounds` times (Chaikin); coordinates should be fine-grained."""
    for _ in range(rounds):
        cut: list[Point] = []
        for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
            cut.append(((3 * x0 + x1 + 2) >> 2, (3 * y0 + y1 + 2) >> 2))
            cut.append(((x0 + 3 * x1 + 2) >> 2, (y0 + 3 * y1 + 2) >> 2))
        points = cut
    return list(points)


def ellipse(x: int, y: int, rx: int, ry: int) -> list[Point]:
    """Twelve points on an ellipse."""
    return [
        (x + rx * c // 1024, y + ry * s // 1024)
        for sign in (1, -1)
        for c, s in ((sign * c, sign * s) for c, s in _ROUND)
    ]


def tube(points: Sequence[Point], radii: Sequence[int]) -> list[Point]:
    """Outline of a limb along `points`, `radii` wide to each side."""
    left, right = [], []
    for i, (x, y) in enumerate(points):
        before, after = points[max(i - 1, 0)], points[min(i + 1, len(points) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = max(isqrt(dx * dx + dy * dy), 1)
        nx, ny = -dy * radii[i] // length, dx * radii[i] // length
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return left + right[::-1]


def coverage(outline: Sequence[Point], height: int, width: int) -> tuple[int, int, np.ndarray] | None:
    """Which sub-pixels of a canvas have their centre inside an outline.

    Args:
        outline: x, y of N corners in 1/16 sub-pixel.
        height, width: of the canvas in sub-pixels.

    Returns:
        (top row, left column, bool mask), or None if nothing is inside the canvas.
    """
    half, one = 1 << (FP - 1), 1 << FP
    xs, ys = zip(*outline, strict=True)
    top, bottom = max((min(ys) - half) // one, 0), min((max(ys) + half) // one + 1, height)
    left, right = max((min(xs) - half) // one, 0), min((max(xs) + half) // one + 1, width)
    if top >= bottom or left >= right:
        return None
    x0, y0, x1, y1 = (np.array(values, np.int64) for values in (xs, ys, (*xs[1:], xs[0]), (*ys[1:], ys[0])))
    centre = np.arange(top * one + half, bottom * one + half, one)[:, None]
    rows, edges = ((y0 <= centre) != (y1 <= centre)).nonzero()
    y0 = y0[edges]
    rise = y1[edges] - y0
    at = x0[edges] - (y0 - centre[rows, 0]) * (x1 - x0)[edges] // rise  # rounded up: the first centre inside
    columns = np.minimum(np.maximum(((at + half - 1) >> FP) - left, 0), right - left)
    stride, size = right - left + 1, (bottom - top) * (right - left + 1)
    cells, up = rows * stride + columns, rise > 0
    turns = np.bincount(cells[up], minlength=size) - np.bincount(cells[~up], minlength=size)
    return top, left, np.cumsum(turns.astype(np.int8).reshape(-1, stride), axis=1, dtype=np.int8)[:, :-1] != 0


@dataclass(frozen=True, slots=True)
class Paint:
    """A colour and a pattern: plain, horizontal stripes, vertical stripes, checks or dots (units of the pen)."""

    colour: Colour
    pattern: str = "plain"
    accent: Colour = (0, 0, 0)

    @property
    def tones(self) -> tuple[Colour, ...]:
        """Every colour that occurs."""
        r, g, b = ((x + y) // 2 for x, y in zip(self.colour, self.accent, strict=True))
        return (self.colour,) if self.pattern == "plain" else (self.colour, self.accent, (r, g, b))

    def tone_at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Positions in `tones` at unit coordinates u (1, w), v (h, 1); the shape broadcasts to (h, w)."""
        if self.pattern == "horizontal stripes":
            return (v // 25) & 1
        if self.pattern == "vertical stripes":
            return (u + 6) % 30 < 11
        if self.pattern == "checks":
            return np.array((0, 2, 1))[((u // 22) & 1) + ((v // 22) & 1)]
        if self.pattern == "dots":
            shift = ((v // 30) & 1) * 15
            return ((u + shift) % 30 - 15) ** 2 + (v % 30 - 15) ** 2 < 72
        return np.zeros((1, 1), np.int64)


class Canvas:
    """Colours and part numbers at sub-pixel resolution; part 0 is empty.

    Args:
        height, width: in pixels.
        sub: sub-pixels per pixel and direction.
    """

    def __init__(self, height: int, width: int, sub: int = 4) -> None:
        self.sub = sub
        cells = np.zeros((height * sub, width * sub, 4), np.uint8)
        self.rgb, self.part = cells[..., :3], cells[..., 3]
        self.cells = cells.view(np.uint32)[..., 0]  # colour and part in one number, so that a fill is one assignment

    def over(self, ground: np.ndarray) -> np.ndarray:
        """This drawing averaged down and laid over `ground`, (H, W, 3) uint8."""
        sub = self.sub
        count = _block_sums((self.part != 0).astype(np.uint16), sub)[..., None]
        # Empty sub-pixels are black, so the plain sum is the sum over drawn ones.
        total = _block_sums(self.rgb.astype(np.uint16), sub)
        full = sub * sub
        return ((total + ground.astype(np.int32) * (full - count) + full // 2) // full).astype(np.uint8)


@dataclass(slots=True)
class Pen:
    """Draws on a canvas in own units: 1000 units are `scale` sub-pixels, the origin lies at (x, y) sub-pixels.

    `flip` = -1 mirrors left and right; `lit` = -1 puts the light on the left, 1 on the right.
    """

    canvas: Canvas
    x: int
    y: int
    scale: int
    flip: int = 1
    lit: int = -1

    def fill(
        self, outline: Sequence[Point], paint: Paint | Colour, part: int = 1, *, smooth: int = 2, shade: bool = True,
        edge: int = 150, within: int | None = None,
    ) -> None:  # fmt: skip
        """Fill an outline.

        Args:
            outline: corner points in units.
            paint: colour or pattern.
            part: number written to the part map.
            smooth: rounds of corner cutting.
            shade: round shading from the lit to the dark side.
            edge: gain in 1/256 of the one-pixel rim; 256 draws none.
            within: only where this part was drawn before.
        """
        if (found := self._cover(outline, smooth)) is None:
            return
        top, left, mask = found
        region = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        gain = self._shading(mask) if shade else np.full(mask.shape, 256, np.int16)
        if edge != 256:
            rim = mask & ~_shrunk(mask, max(self.canvas.sub // 2, 1))
            gain[rim] = gain[rim] * np.int32(edge) >> 8
        if within is not None:
            mask = mask & (self.canvas.part[region] == within)
        paint = paint if isinstance(paint, Paint) else Paint(paint)
        # Every colour times every gain, with the part number as fourth byte.
        table = np.full((len(paint.tones), _GAINS, 4), part, np.uint8)
        table[..., :3] = np.minimum(np.array(paint.tones)[:, None] * np.arange(_GAINS)[:, None] >> 8, 255)
        index = gain[mask]
        if paint.pattern != "plain":
            index = index + np.broadcast_to(self._tones(paint, top, left, mask.shape), mask.shape)[mask] * _GAINS
        self.canvas.cells[region][mask] = table.view(np.uint32).ravel()[index]

    def tone(self, outline: Sequence[Point], gain: int, part: int, *, smooth: int = 2) -> None:
        """Multiply what is drawn as `part` inside an outline by gain / 256: folds, shadows, wrinkles."""
        if (found := self._cover(outline, smooth)) is None:
            return
        top, left, mask = found
        region = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        mask &= self.canvas.part[region] == part
        pixels = self.canvas.rgb[region]
        pixels[mask] = np.minimum(pixels[mask].astype(np.int32) * gain >> 8, 255)

    def line(self, points: Sequence[Point], width: int, colour: Colour, part: int = 1) -> None:
        """A stroke `width` units wide."""
        self.fill(tube(points, [max(width // 2, 1)] * len(points)), colour, part, smooth=0, shade=False, edge=256)

    def spot(self, x: int, y: int, rx: int, ry: int, paint: Paint | Colour, part: int = 1, **how: int) -> None:
        """An ellipse, flat unless `how` says otherwise."""
        self.fill(ellipse(x, y, rx, ry), paint, part, smooth=1, shade=bool(how.get("shade")), edge=how.get("edge", 256))

    def _cover(self, outline: Sequence[Point], smooth: int) -> tuple[int, int, np.ndarray] | None:
        one = 1 << FP
        fixed = [
            (self.x * one + self.flip * x * self.scale * one // 1000, self.y * one + y * self.scale * one // 1000)
            for x, y in outline
        ]
        return coverage(smoothed(fixed, smooth), *self.canvas.part.shape)

    def _tones(self, paint: Paint, top: int, left: int, shape: tuple[int, ...]) -> np.ndarray:
        u = (np.arange(left, left + shape[1])[None, :] - self.x) * 1000 // self.scale * self.flip
        v = (np.arange(top, top + shape[0])[:, None] - self.y) * 1000 // self.scale
        return paint.tone_at(u, v)

    def _shading(self, mask: np.ndarray) -> np.ndarray:
        width = mask.shape[1]
        first = mask.argmax(axis=1)[:, None].astype(np.int32)
        span = np.maximum(width - mask[:, ::-1].argmax(axis=1)[:, None].astype(np.int32) - first, 1)
        place = (np.arange(width, dtype=np.int32)[None, :] - first) * 32 // span
        return (SHADE if self.lit < 0 else SHADE[::-1])[np.minimum(np.maximum(place, 0), 31)]


def _block_sums(values: np.ndarray, sub: int) -> np.ndarray:
    """Sums over blocks of sub x sub, (H, W, ...) int32; `sub` is at most 8 so that uint16 suffices in between."""
    rows = sum(values[i::sub] for i in range(1, sub)) + values[::sub]
    return (sum(rows[:, i::sub] for i in range(1, sub)) + rows[:, ::sub]).astype(np.int32)


def _shrunk(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask without its rim of `by` sub-pixels."""
    inner = np.zeros_like(mask)
    if min(mask.shape) > 2 * by:
        inner[by:-by, by:-by] = mask[: -2 * by, by:-by] & mask[2 * by :, by:-by]
        inner[by:-by, by:-by] &= mask[by:-by, : -2 * by] & mask[by:-by, 2 * by :]
    return inner
