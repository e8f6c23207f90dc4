"""Who a person is and what they wear: the factors of MiniPEDES, their values and how they are drawn.

Identity factors and clothing factors come from independent streams: nothing that a person wears depends on who they are
(so men wear skirts as often as women do). Within one side, values depend on each other where the world demands it: grey
hair on age, beards on sex and age, buttons and patterns on the garment.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from tbpsbench.minipedes.dice import Dice

Table = tuple[tuple[str, int], ...]

SEX: Table = (("woman", 1), ("man", 1))
AGE: Table = (("child", 2), ("young", 5), ("middle-aged", 4), ("elderly", 3))
BUILD: Table = (("slim", 4), ("average", 4), ("broad", 2), ("heavy", 4))
HEIGHT: Table = (("short", 3), ("average", 4), ("tall", 3))
SKIN: Table = (("fair", 5), ("tanned", 3), ("brown", 3), ("dark", 3))
HAIR_STYLE: dict[str, Table] = {
    "woman": (("short", 2), ("curly", 3), ("bob", 4), ("long", 5), ("ponytail", 4), ("bun", 3)),
    "man": (("bald", 3), ("cropped", 4), ("short", 6), ("curly", 3), ("long", 1), ("bun", 1)),
    "girl": (("bob", 3), ("long", 4), ("ponytail", 5), ("curly", 2), ("bun", 1)),
    "boy": (("cropped", 3), ("short", 6), ("curly", 3), ("bob", 1)),
}
HAIR_COLOUR: dict[str, Table] = {
    "child": (("black", 4), ("brown", 4), ("light brown", 2), ("blond", 3), ("red", 2)),
    "young": (("black", 4), ("brown", 4), ("light brown", 2), ("blond", 3), ("red", 2)),
    "middle-aged": (("black", 4), ("brown", 4), ("light brown", 1), ("blond", 2), ("red", 1), ("grey", 3)),
    "elderly": (("grey", 8), ("white", 7), ("brown", 1), ("black", 1)),
}
BEARD: dict[str, Table] = {
    "young": (("none", 6), ("moustache", 1), ("short beard", 4), ("full beard", 2)),
    "middle-aged": (("none", 5), ("moustache", 2), ("short beard", 3), ("full beard", 3)),
    "elderly": (("none", 5), ("moustache", 2), ("short beard", 2), ("full beard", 4)),
}

UPPER: Table = (
    ("T-shirt", 6),
    ("shirt", 4),
    ("polo shirt", 3),
    ("sweater", 4),
    ("hoodie", 5),
    ("jacket", 5),
    ("puffer jacket", 3),
    ("coat", 3),
    ("tank top", 2),
    ("dress", 2),
)
LOWER: Table = (
    ("trousers", 6),
    ("jeans", 7),
    ("shorts", 4),
    ("leggings", 3),
    ("short skirt", 1),
    ("long skirt", 1),
)
SHOES: Table = (("sneakers", 6), ("boots", 3), ("sandals", 2), ("dress shoes", 3))
BAG: Table = (("none", 7), ("backpack", 5), ("shoulder bag", 4), ("handbag", 2), ("tote bag", 2), ("suitcase", 1))
HAT: Table = (("none", 13), ("cap", 3), ("beanie", 2), ("brimmed hat", 2))
GLASSES: Table = (("none", 7), ("glasses", 3), ("sunglasses", 2))
CARRIED: Table = (("none", 11), ("phone", 2), ("book", 2), ("cup", 2), ("umbrella", 2), ("box", 1))

UPPER_COLOUR: Table = (
    ("black", 6),
    ("white", 6),
    ("grey", 5),
    ("navy", 4),
    ("blue", 4),
    ("light blue", 3),
    ("red", 4),
    ("burgundy", 2),
    ("pink", 3),
    ("purple", 2),
    ("green", 3),
    ("olive", 2),
    ("yellow", 3),
    ("orange", 2),
    ("brown", 2),
    ("beige", 3),
)
LOWER_COLOUR: Table = (
    ("black", 6),
    ("grey", 4),
    ("navy", 3),
    ("beige", 4),
    ("brown", 2),
    ("olive", 2),
    ("white", 2),
    ("burgundy", 1),
    ("green", 1),
    ("red", 1),
)
JEANS_COLOUR: Table = (("blue", 5), ("light blue", 3), ("navy", 3), ("black", 2), ("white", 1))
SHOE_COLOUR: dict[str, Table] = {
    "sneakers": (("white", 5), ("black", 4), ("grey", 2), ("red", 2), ("blue", 2), ("green", 1)),
    "boots": (("black", 4), ("brown", 4), ("beige", 1)),
    "sandals": (("brown", 3), ("black", 2), ("beige", 1)),
    "dress shoes": (("black", 4), ("brown", 3), ("burgundy", 1)),
}
ITEM_COLOUR: Table = (
    ("black", 5),
    ("brown", 3),
    ("grey", 2),
    ("navy", 2),
    ("red", 2),
    ("beige", 2),
    ("green", 1),
    ("blue", 2),
    ("yellow", 1),
    ("pink", 1),
    ("white", 1),
)
CARRIED_COLOUR: dict[str, Table] = {
    "phone": (("black", 1),),
    "cup": (("white", 2), ("red", 1), ("green", 1)),
    "box": (("brown", 1),),
}
PATTERN: dict[str, Table] = {
    "T-shirt": (("plain", 5), ("horizontal stripes", 3), ("dots", 1), ("print", 4)),
    "shirt": (("plain", 5), ("vertical stripes", 2), ("checks", 4), ("dots", 1)),
    "polo shirt": (("plain", 5), ("horizontal stripes", 3)),
    "sweater": (("plain", 5), ("horizontal stripes", 3), ("dots", 1)),
    "hoodie": (("plain", 5), ("print", 4)),
    "tank top": (("plain", 4), ("horizontal stripes", 2), ("print", 1)),
    "dress": (("plain", 4), ("dots", 3), ("horizontal stripes", 1), ("checks", 1)),
}
LONG_SLEEVES = frozenset({"shirt", "sweater", "hoodie", "jacket", "puffer jacket", "coat"})
OPENING = frozenset({"jacket", "puffer jacket", "coat"})
CONTRAST: dict[str, tuple[str, ...]] = {  # accent colours that stand out on a garment of that colour
    "dark": ("white", "yellow", "red", "light blue", "orange", "pink"),
    "light": ("black", "navy", "red", "blue", "green"),
    "vivid": ("white", "black"),
}
DARK = frozenset({"black", "navy", "burgundy", "purple", "brown", "olive", "green", "blue"})
LIGHT = frozenset({"white", "beige", "light blue", "pink", "yellow", "grey"})


@dataclass(frozen=True, slots=True)
class Person:
    """Identity factors: what stays when the clothes change."""

    sex: str
    age: str
    build: str
    height: str
    skin: str
    hair_style: str
    hair_colour: str
    beard: str


@dataclass(frozen=True, slots=True)
class Outfit:
    """Clothing factors: the same in all images of a person's outfit.

    `upper_accent` is the second colour of a pattern, `inner_colour` that of the top under an open jacket; "none" where
    there is nothing. A dress has no lower garment.
    """

    upper: str
    upper_colour: str
    upper_pattern: str
    upper_accent: str
    inner_colour: str
    lower: str
    lower_colour: str
    shoes: str
    shoe_colour: str
    bag: str
    bag_colour: str
    hat: str
    hat_colour: str
    glasses: str
    carried: str
    carried_colour: str


IDENTITY_FACTORS = tuple(f.name for f in fields(Person))
CLOTHING_FACTORS = tuple(f.name for f in fields(Outfit))


def sample_person(seed: int, pid: int) -> Person:
    """The identity factors of person `pid`, from the stream (seed, "identity", pid)."""
    dice = Dice(seed, "identity", pid)
    sex, age = dice.weighted(SEX), dice.weighted(AGE)
    young_name = {"woman": "girl", "man": "boy"}[sex] if age == "child" else sex
    build, height, skin = dice.weighted(BUILD), dice.weighted(HEIGHT), dice.weighted(SKIN)
    if age == "child":
        build, height = {"broad": "average"}.get(build, build), "short"
    grows = sex == "man" and age in BEARD
    return Person(
        sex=sex,
        age=age,
        build=build,
        height=height,
        skin=skin,
        hair_style=dice.weighted(HAIR_STYLE[young_name]),
        hair_colour=dice.weighted(HAIR_COLOUR[age]),
        beard=dice.weighted(BEARD[age]) if grows else "none",
    )


def sample_outfit(seed: int, pid: int, outfit: str, *, muted: bool = False) -> Outfit:
    """The clothing factors of an outfit, from the stream (seed, "outfit", pid, outfit).

    Args:
        seed: of the data set.
        pid: the person; only selects the stream, identity factors play no part.
        outfit: "A" or "B".
        muted: halve the share of bright colours (the second domain's colour statistics).
    """
    dice = Dice(seed, "outfit", pid, outfit)
    upper, lower = dice.weighted(UPPER), dice.weighted(LOWER)
    colour = dice.weighted(UPPER_COLOUR)
    if muted and colour not in DARK | LIGHT:
        colour = dice.weighted(UPPER_COLOUR)
    pattern = dice.weighted(PATTERN.get(upper, (("plain", 1),)))
    family = "dark" if colour in DARK else "light" if colour in LIGHT else "vivid"
    accent = dice.pick(CONTRAST[family])
    opened = dice.chance(55) and upper in OPENING
    inner = dice.pick([c for c, _ in UPPER_COLOUR if c != colour])
    lower_colour = dice.weighted(JEANS_COLOUR if lower == "jeans" else LOWER_COLOUR)
    shoes, bag, hat, carried = (dice.weighted(table) for table in (SHOES, BAG, HAT, CARRIED))
    shoe_colour, bag_colour, hat_colour = (dice.weighted(t) for t in (SHOE_COLOUR[shoes], ITEM_COLOUR, ITEM_COLOUR))
    carried_colour = dice.weighted(CARRIED_COLOUR.get(carried, ITEM_COLOUR))
    return Outfit(
        upper=upper,
        upper_colour=colour,
        upper_pattern=pattern,
        upper_accent="none" if pattern == "plain" else accent,
        inner_colour=inner if opened else "none",
        lower="none" if upper == "dress" else lower,
        lower_colour="none" if upper == "dress" else lower_colour,
        shoes=shoes,
        shoe_colour=shoe_colour,
        bag=bag,
        bag_colour="none" if bag == "none" else bag_colour,
        hat=hat,
        hat_colour="none" if hat == "none" else hat_colour,
        glasses=dice.weighted(GLASSES),
        carried=carried,
        carried_colour="none" if carried == "none" else carried_colour,
    )


def factors(person: Person, outfit: Outfit) -> dict[str, Any]:
    """All factors of a person in an outfit by name."""
    return asdict(person) | asdict(outfit)
