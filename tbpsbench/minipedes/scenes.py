"""From a person, an outfit and a shot to the pixels of one image and to what can be seen in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tbpsbench.minipedes import geometry as parts
from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.figures import draw_figure
from tbpsbench.minipedes.occluders import draw_occluder, draw_passer
from tbpsbench.minipedes.people import Outfit, Person, factors, sample_outfit, sample_person
from tbpsbench.minipedes.places import HEIGHT, WIDTH, boxed, panorama
from tbpsbench.minipedes.raster import Canvas, Pen
from tbpsbench.minipedes.shots import CAMERAS, Camera, Shot, sample_shot

SUB = 4
FOOT = 183  # row of the soles
HATLESS_STYLES = frozenset({"bald", "cropped", "short", "curly", "bun"})  # a hat leaves open which it is


@dataclass(frozen=True, slots=True)
class Scene:
    """One finished image.

    Attributes:
        pixels: (192, 96, 3) uint8.
        person, outfit, shot: what was drawn.
        visible: names of the factors that this image shows, sorted.
    """

    pixels: np.ndarray
    person: Person
    outfit: Outfit
    shot: Shot
    visible: tuple[str, ...]

    @property
    def attributes(self) -> dict[str, Any]:
        """Ground truth for the annotation file."""
        shot = self.shot
        return factors(self.person, self.outfit) | {
            "visible": list(self.visible),
            "view": shot.view,
            "facing": {1: "right", -1: "left"}[shot.facing] if shot.view == "side" else "none",
            "gait": shot.gait,
            "place": CAMERAS[shot.domain][shot.camera].place,
            "lighting": "dim" if shot.exposure < 220 else "bright" if shot.exposure > 260 else "normal",
            "occluder": shot.occluder,
        }


def draw_image(seed: int, pid: int, outfit_name: str, index: int, domain: str = "street") -> Scene:
    """Draw image `index` of a person in an outfit; it depends on nothing but the arguments.

    Args:
        seed: of the data set.
        pid: identity, from 0.
        outfit_name: "A" or "B".
        index: number of the image within the outfit.
        domain: "street" or "indoor".
    """
    person, outfit = sample_person(seed, pid), sample_outfit(seed, pid, outfit_name, muted=domain == "indoor")
    shot = sample_shot(seed, pid, outfit_name, index, outfit, domain)
    camera, dice = CAMERAS[domain][shot.camera], Dice(seed, "scene", pid, outfit_name, index, domain)
    ground = np.ascontiguousarray(panorama(seed, domain, shot.camera)[:, shot.pan : shot.pan + WIDTH])
    if shot.passers:
        canvas = Canvas(HEIGHT, WIDTH, 2)
        for _ in range(shot.passers):
            draw_passer(Pen(canvas, 0, 0, 2000), dice, camera.horizon)
        ground = boxed(canvas.over(ground), 1).astype(np.uint8)
    ground = _shadowed(ground, 48 + shot.shift, shot.lit)
    canvas, scale = Canvas(HEIGHT, WIDTH, SUB), parts.sizes(person, shot, camera.zoom)
    flip = {"front": 1, "back": -1, "side": shot.facing}[shot.view]
    pen = Pen(canvas, (48 + shot.shift) * SUB, FOOT * SUB - scale, scale, flip, shot.lit)
    draw_figure(parts.figure(pen, seed, pid, outfit_name, person, outfit, shot))
    picture = canvas.over(ground)
    if shot.occluder != "none":
        before = Canvas(HEIGHT, WIDTH, SUB)
        draw_occluder(Pen(before, 0, 0, 1000 * SUB), shot, dice)
        picture = before.over(picture)
        canvas.part[before.part != 0] = parts.NOTHING
    pixels = _developed(picture, shot, camera, dice)
    seen = np.bincount(canvas.part.ravel(), minlength=16) // (SUB * SUB * camera.coarse)
    return Scene(pixels, person, outfit, shot, visible_factors(person, outfit, shot, seen))


def visible_factors(person: Person, outfit: Outfit, shot: Shot, seen: np.ndarray) -> tuple[str, ...]:
    """Which factors an image shows, from the pixels that each part covers.

    Args:
        person, outfit, shot: what was drawn.
        seen: (16,) pixels of each part of `geometry`, halved for coarse cameras.
    """
    hair, hat = seen[parts.HAIR_PART], outfit.hat != "none"
    bald = person.hair_style == "bald" and not hat
    head = seen[parts.FACE] + hair
    grey = person.age == "elderly" and hair >= 20 and person.hair_colour in ("grey", "white")
    old_enough = head >= 40 if person.age == "child" else grey if shot.view == "back" else seen[parts.FACE] >= 90
    upper, lower = seen[parts.UPPER], seen[parts.LOWER]
    rules = {
        "sex": head >= 40,
        "age": old_enough,
        "build": upper >= 350,
        "height": upper >= 250 and lower + seen[parts.SHOES] >= 60,
        "skin": seen[parts.FACE] + seen[parts.SKIN_PART] >= 40,
        "hair_style": bald or (hair >= 20 and not (hat and person.hair_style in HATLESS_STYLES)),
        "hair_colour": hair >= 16 and person.hair_style != "bald",
        "beard": seen[parts.BEARD] >= (3 if person.beard == "moustache" else 8),
        "upper": upper >= 120,
        "upper_colour": upper >= 80,
        "upper_pattern": seen[parts.PRINT] >= 8 if outfit.upper_pattern == "print" else upper >= 200,
        "upper_accent": seen[parts.PRINT] >= 8 if outfit.upper_pattern == "print" else upper >= 200,
        "inner_colour": seen[parts.INNER] >= 20,
        "lower": lower >= 150,
        "lower_colour": lower >= 70,
        "shoes": seen[parts.SHOES] >= 24,
        "shoe_colour": seen[parts.SHOES] >= 16,
        "bag": seen[parts.BAG] >= 24,
        "bag_colour": seen[parts.BAG] >= 24,
        "hat": seen[parts.HAT] >= 15,
        "hat_colour": seen[parts.HAT] >= 15,
        "glasses": seen[parts.GLASSES] >= 4,
        "carried": seen[parts.CARRIED] >= 10,
        "carried_colour": seen[parts.CARRIED] >= 16,
    }
    values = factors(person, outfit)
    present = {name for name, value in values.items() if value != "none"}
    return tuple(sorted(name for name, shown in rules.items() if shown and name in present))


def _shadowed(ground: np.ndarray, x: int, lit: int) -> np.ndarray:
    """A soft shadow on the floor, away from the light."""
    rows, columns = np.arange(HEIGHT)[:, None], np.arange(WIDTH)[None, :]
    distance = ((columns - x + lit * 7) * 10) ** 2 // 9 + ((rows - FOOT - 1) * 52) ** 2 // 12  # 1/100 pixel squared
    gain = 256 - np.maximum(0, 120 - distance * 120 // 6400)
    return (ground.astype(np.int32) * gain[..., None] >> 8).astype(np.uint8)


def _developed(image: np.ndarray, shot: Shot, camera: Camera, dice: Dice) -> np.ndarray:
    """What lens and sensor make of a picture: light, colour cast, blur, resolution, noise."""
    columns = np.arange(WIDTH) - WIDTH // 2
    light = (shot.exposure + shot.lit * -columns * -14 // WIDTH)[None, :, None]
    pixels = image.astype(np.int32) * light * np.array(camera.cast) >> 16
    pixels = np.minimum(pixels + camera.lift, 255)
    if camera.blur:
        pixels = boxed(pixels, camera.blur)
    if shot.smear > 1:
        pixels = boxed(pixels, shot.smear // 2, (1,))
    if camera.coarse == 2:
        small = pixels.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).sum(axis=(1, 3)) + 2 >> 2
        pixels = boxed(np.repeat(np.repeat(small, 2, 0), 2, 1), 1)
    noise = dice.bytes(pixels.size).reshape(pixels.shape).astype(np.int32) - 128
    return np.clip(pixels + (noise * camera.noise + 64 >> 7), 0, 255).astype(np.uint8)
