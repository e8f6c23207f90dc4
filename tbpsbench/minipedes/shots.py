"""How a person is seen in one image: camera, view, pose, light, what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.people import Outfit

VIEWS = ("front", "back", "side")
OCCLUDERS: dict[str, tuple[str, ...]] = {
    "street": ("bollard", "railing", "bicycle", "bin", "shoulder", "tree"),
    "indoor": ("railing", "bin", "shoulder", "plant", "pillar", "trolley"),
}


@dataclass(frozen=True, slots=True)
class Camera:
    """What all images of one camera share.

    Attributes:
        place: background drawn behind the person.
        horizon: row (of 192) where floor and wall meet; the higher the camera, the smaller.
        cast: gain of red, green and blue in 1/256.
        lift: added to every pixel: haze.
        blur: radius of the box blur in pixels.
        coarse: 2 halves the resolution of the picture, 1 keeps it.
        noise: amplitude of the sensor noise.
        zoom: size of the person in percent.
    """

    place: str
    horizon: int
    cast: tuple[int, int, int]
    lift: int
    blur: int
    coarse: int
    noise: int
    zoom: int


CAMERAS: dict[str, tuple[Camera, ...]] = {
    "street": (
        Camera("shops", 112, (262, 256, 246), 4, 0, 1, 4, 100),
        Camera("bricks", 128, (256, 254, 250), 0, 0, 1, 7, 102),
        Camera("park", 96, (250, 262, 248), 6, 0, 1, 4, 98),
        Camera("cars", 104, (244, 252, 266), 10, 1, 1, 5, 99),
        Camera("plaza", 60, (258, 254, 240), 2, 0, 2, 6, 96),
        Camera("station", 118, (236, 250, 262), 0, 1, 1, 9, 101),
    ),
    "indoor": (
        Camera("corridor", 120, (266, 254, 224), 0, 0, 1, 5, 100),
        Camera("shelves", 128, (262, 258, 236), 8, 0, 1, 4, 102),
        Camera("lobby", 84, (250, 256, 256), 14, 0, 1, 5, 98),
        Camera("stairs", 100, (238, 252, 244), 4, 1, 1, 7, 99),
        Camera("office", 112, (258, 258, 246), 6, 0, 2, 5, 100),
        Camera("platform", 108, (232, 246, 238), 0, 1, 1, 10, 97),
    ),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        domain, camera: which of `CAMERAS`.
        view: "front", "back" or "side".
        facing: 1 or -1: right or left in a side view.
        gait: "standing" or "walking".
        phase: 0 or 1: which leg is ahead.
        right_arm, left_arm: "down", "swing", "bent", "pocket", "raised" or "both" (both hands before the body).
        size: person's size in percent of what the camera gives.
        shift: pixels off the middle.
        pan: pixels by which the background is shifted.
        exposure: gain in 1/256.
        lit: -1 or 1: light from the left or right.
        smear: length of the motion blur in pixels, 1 for none.
        occluder: its kind or "none".
        occluder_side: -1, 0 or 1; `occluder_rise`: pixels of its height above the common one.
        passers: people in the background.
    """

    domain: str
    camera: int
    view: str
    facing: int
    gait: str
    phase: int
    right_arm: str
    left_arm: str
    size: int
    shift: int
    pan: int
    exposure: int
    lit: int
    smear: int
    occluder: str
    occluder_side: int
    occluder_rise: int
    passers: int


def sample_shot(seed: int, pid: int, outfit_name: str, index: int, outfit: Outfit, domain: str = "street") -> Shot:
    """How person `pid` is seen in image `index` of an outfit; the first three images have three different views."""
    plan = Dice(seed, "plan", pid, outfit_name, domain)
    views, cameras = plan.shuffled(VIEWS), plan.shuffled(range(len(CAMERAS[domain])))
    dice = Dice(seed, "shot", pid, outfit_name, index, domain)
    view = views[index] if index < len(views) else dice.pick(("front", "front", "back", "side"))
    gait = dice.pick(("standing", "walking", "walking"))
    free = ("swing" if gait == "walking" else "down", "down", "pocket", "bent")
    right = {"phone": "raised", "book": "bent", "cup": "bent", "umbrella": "down", "box": "both"}.get(outfit.carried)
    left = {"handbag": "down", "suitcase": "down", "tote bag": "down"}.get(outfit.bag)
    if outfit.carried == "box":
        left = "both"
    return Shot(
        domain=domain,
        camera=cameras[index % len(cameras)],
        view=view,
        facing=dice.pick((-1, 1)),
        gait=gait,
        phase=dice.below(2),
        right_arm=right or dice.pick(free),
        left_arm=left or dice.pick(free),
        size=dice.between(97, 103),
        shift=dice.between(-7, 7),
        pan=dice.below(96),
        exposure=dice.pick((216, 236, 248, 256, 256, 256, 264, 276)),
        lit=dice.pick((-1, 1)),
        smear=dice.pick((1, 1, 1, 1, 3)),
        occluder=dice.pick(OCCLUDERS[domain]) if dice.chance(20) else "none",
        occluder_side=dice.pick((-1, 1)),
        occluder_rise=dice.between(-8, 12),
        passers=dice.pick((0, 0, 0, 1, 1, 2)),
    )
