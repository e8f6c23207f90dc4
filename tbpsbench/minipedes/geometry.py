"""The body: proportions from the identity factors, joints from the pose, all in thousandths of the person's height.

The origin is the middle of the top of the head, x to the person's left (front view) or forward (side view), y down.
In back views the pen mirrors, so "right" and "left" are always the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.palette import CLOTH, DENIM, HAIR, SKIN, mixed, scaled, varied
from tbpsbench.minipedes.people import Outfit, Person
from tbpsbench.minipedes.raster import Colour, Paint, Pen, Point, turned
from tbpsbench.minipedes.shots import Shot

# Numbers of the part map: what a sub-pixel of a figure shows.
NOTHING, SKIN_PART, FACE, HAIR_PART, BEARD, UPPER, INNER, PRINT = range(8)
LOWER, SHOES, BAG, HAT, GLASSES, CARRIED = range(8, 14)

SIZE = {"short": 588, "average": 638, "tall": 690}  # sub-pixels (1/4 pixel) of an adult's height
CHILD_SIZE = 500
# half widths of shoulders, chest, waist, hips; half depths of chest, waist, hips (side view)
TRUNK = {
    "man": (116, 92, 80, 84, 64, 62, 66),
    "woman": (101, 82, 66, 93, 64, 54, 70),
    "child": (104, 84, 78, 82, 62, 62, 64),
}
# percent of the same, then of the limbs
BUILD = {
    "slim": (91, 86, 80, 84, 82, 78, 84, 80),
    "average": (100, 100, 100, 100, 100, 100, 100, 100),
    "broad": (119, 116, 104, 102, 112, 102, 102, 118),
    "heavy": (108, 124, 150, 128, 128, 168, 132, 130),
}


@dataclass(frozen=True, slots=True)
class Body:
    """Proportions in thousandths of the height (half widths and half depths; y from the top of the head)."""

    head: int
    head_w: int
    neck_w: int
    shoulder_y: int
    shoulder_w: int
    chest_w: int
    waist_y: int
    waist_w: int
    hip_y: int
    hip_w: int
    chest_d: int
    waist_d: int
    hip_d: int
    limb: int
    stoop: int


@dataclass(frozen=True, slots=True)
class Limb:
    """Joints of an arm (shoulder, elbow, wrist) or leg (hip, knee, ankle); `far`: on the averted side."""

    name: str
    joints: tuple[Point, Point, Point]
    far: bool


@dataclass(slots=True)
class Figure:
    """Everything that the drawing functions need to know about one person in one image."""

    pen: Pen
    person: Person
    outfit: Outfit
    shot: Shot
    body: Body
    skin: Colour
    hair: Colour
    upper: Paint
    accent: Colour
    inner: Colour
    lower: Colour
    shoes: Colour
    bag: Colour
    hat: Colour
    carried: Colour
    face: tuple[int, ...]  # small individual traits: eye distance, nose, jaw, fringe side

    @property
    def side(self) -> bool:
        return self.shot.view == "side"

    @property
    def back(self) -> bool:
        return self.shot.view == "back"

    @property
    def near(self) -> str:
        """The side of the body that a side view shows."""
        return "right" if self.shot.facing == 1 else "left"


def figure(pen: Pen, seed: int, pid: int, outfit_name: str, person: Person, outfit: Outfit, shot: Shot) -> Figure:
    """Proportions and colours of a person; the small deviations are kept over all images of a person or outfit."""
    own, worn = Dice(seed, "looks", pid), Dice(seed, "dye", pid, outfit_name)
    skin, hair = varied(SKIN[person.skin], own, 7), varied(HAIR[person.hair_colour], own, 8)
    face = tuple(own.between(-2, 2) for _ in range(4))
    upper = varied(CLOTH[outfit.upper_colour], worn, 9)
    accent = varied(CLOTH.get(outfit.upper_accent, (0, 0, 0)), worn, 9)
    pattern = outfit.upper_pattern if outfit.upper_pattern != "print" else "plain"
    inner, lower, shoes, bag, hat, carried = (
        varied((DENIM if kind == "jeans" else CLOTH).get(name, (0, 0, 0)), worn, 9)
        for kind, name in (
            ("inner", outfit.inner_colour),
            (outfit.lower, outfit.lower_colour),
            ("shoes", outfit.shoe_colour),
            ("bag", outfit.bag_colour),
            ("hat", outfit.hat_colour),
            ("carried", outfit.carried_colour),
        )
    )
    return Figure(
        pen, person, outfit, shot, body(person), skin, hair, Paint(upper, pattern, accent), accent,
        inner, lower, shoes, bag, hat, carried, face,
    )  # fmt: skip


def body(person: Person) -> Body:
    """Proportions of a person."""
    child = person.age == "child"
    trunk = TRUNK["child" if child else person.sex]
    percent = BUILD[person.build]
    sw, cw, ww, hw, cd, wd, hd = (t * p // 100 for t, p in zip(trunk, percent, strict=False))
    if person.age == "middle-aged":
        ww, wd = ww * 106 // 100, wd * 110 // 100
    head = 190 if child else {"tall": 146, "average": 152, "short": 158}[person.height]
    return Body(
        head=head,
        head_w=head * (36 if person.build != "heavy" else 39) // 100,
        neck_w=head * (19 if person.sex == "woman" or child else 23) // 100 * (percent[7] + 100) // 200,
        shoulder_y=head + 34,
        shoulder_w=sw,
        chest_w=cw,
        waist_y=head + (222 if child else 250),
        waist_w=ww,
        hip_y=head + (312 if child else 342),
        hip_w=hw,
        chest_d=cd,
        waist_d=wd,
        hip_d=hd,
        limb=percent[7] * (88 if person.sex == "woman" else 100) // 100,
        stoop=22 if person.age == "elderly" else 0,
    )


def sizes(person: Person, shot: Shot, zoom: int) -> int:
    """Height of the figure in sub-pixels."""
    base = CHILD_SIZE if person.age == "child" else SIZE[person.height]
    return base * shot.size * zoom // 10000


def arms(fig: Figure) -> list[Limb]:
    """Both arms, the averted one first."""
    make = _side_arm if fig.side else _front_arm
    found = [make(fig, "left"), make(fig, "right")]
    return sorted(found, key=lambda limb: not limb.far)


def legs(fig: Figure) -> list[Limb]:
    """Both legs, the averted or rear one first."""
    b, walking, ahead = fig.body, fig.shot.gait == "walking", ("right", "left")[fig.shot.phase]
    found = []
    for name in ("left", "right"):
        sign = 1 if name == "left" else -1
        if fig.side:
            hip = (-b.stoop // 2, b.hip_y + 24)
            swing, bend = (
                ((19, -4) if name == ahead else (-9, -22)) if walking else ((4, -2) if name == ahead else (-5, -4))
            )
            length = (965 - hip[1]) // 2
            knee = turned(hip, length, swing)
            ankle = turned(knee, length, swing + bend)
            found.append(Limb(name, (hip, knee, (ankle[0], min(ankle[1], 955))), name != fig.near))
            continue
        hip = (sign * b.hip_w * 50 // 100, b.hip_y + 22)
        stride = walking and name != ahead
        knee_y = (hip[1] + 962) // 2 + (14 if walking and not stride else 0)
        knee = (sign * (b.hip_w * 44 // 100 + (2 if stride else 5)), knee_y)
        ankle = (sign * (24 if walking else 42 + b.hip_w // 12), 952 - (34 if stride else 0))
        found.append(Limb(name, (hip, knee, ankle), stride))
    return sorted(found, key=lambda limb: not limb.far)


def _front_arm(fig: Figure, name: str) -> Limb:
    b, sign = fig.body, 1 if name == "left" else -1
    pose = fig.shot.left_arm if name == "left" else fig.shot.right_arm
    sw, sy, reach = b.shoulder_w, b.shoulder_y, max(b.shoulder_w + 14, b.hip_w + 26, b.waist_w + 22)
    elbow, wrist = {
        "down": ((reach + 2, sy + 160), (reach + 6, sy + 306)),
        "swing": ((reach + 8, sy + 154), (reach - 8, sy + (272 if fig.shot.phase == (name == "left") else 300))),
        "bent": ((reach + 14, sy + 154), (b.chest_w - 34, sy + 126)),
        "pocket": ((reach + 34, sy + 150), (b.hip_w + 8, b.hip_y - 2)),
        "raised": ((reach + 18, sy + 150), (b.chest_w - 26, sy + 40)),
        "both": ((reach + 10, sy + 160), (58, sy + 176)),
    }[pose]
    joints = (sign * (sw - 26), sy + 36), (sign * elbow[0], elbow[1]), (sign * wrist[0], wrist[1])
    return Limb(name, joints, fig.back and pose in ("bent", "raised", "both"))


def _side_arm(fig: Figure, name: str) -> Limb:
    b, far = fig.body, name != fig.near
    pose = fig.shot.left_arm if name == "left" else fig.shot.right_arm
    shoulder = (b.stoop // 2 - 6 + (8 if far else 0), b.shoulder_y + 36)
    ahead = ("right", "left")[fig.shot.phase] != name  # arms swing against the legs
    swing = (26, 40) if ahead else (-24, -8)
    upper, lower = {
        "down": (-2, 8),
        "swing": swing,
        "bent": (-4, 96),
        "pocket": (-22, 24),
        "raised": (18, 134),
        "both": (6, 88),
    }[pose]
    elbow = turned(shoulder, 158, upper)
    return Limb(name, (shoulder, elbow, turned(elbow, 146, lower)), far)


def dim(colour: Colour, limb: Limb) -> Colour:
    """The colour of a part on the averted side."""
    return scaled(colour, 205) if limb.far else colour


def blend(one: Colour, other: Colour) -> Colour:
    """Half of each."""
    return mixed(one, other, 128)
