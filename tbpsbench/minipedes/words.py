"""Phrases for the factors of a person, as one annotator would word them, with a record of what was mentioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tbpsbench.minipedes.dice import Dice

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "navy": ("navy", "dark blue", "navy blue"),
    "burgundy": ("burgundy", "dark red", "maroon"),
    "grey": ("grey", "gray"),
    "light blue": ("light blue", "sky-blue", "pale blue"),
    "beige": ("beige", "cream", "sand-coloured"),
    "olive": ("olive", "khaki", "olive green"),
    "red": ("red", "red", "bright red"),
    "purple": ("purple", "violet"),
}
HAIR_COLOURS: dict[str, tuple[str, ...]] = {
    "brown": ("brown", "dark brown"),
    "blond": ("blond", "blonde", "fair"),
    "red": ("red", "ginger"),
    "grey": ("grey", "gray"),
}
NAMES: dict[str, tuple[str, ...]] = {
    "T-shirt": ("T-shirt", "tee", "short-sleeved top"),
    "shirt": ("shirt", "button-up shirt", "long-sleeved shirt"),
    "polo shirt": ("polo shirt", "polo"),
    "sweater": ("sweater", "jumper", "pullover"),
    "hoodie": ("hoodie", "hooded sweatshirt"),
    "jacket": ("jacket", "short jacket"),
    "puffer jacket": ("puffer jacket", "padded jacket", "down jacket"),
    "coat": ("coat", "long coat", "overcoat"),
    "tank top": ("tank top", "sleeveless top", "vest"),
    "dress": ("dress", "knee-length dress"),
    "trousers": ("trousers", "pants", "slacks"),
    "jeans": ("jeans", "denim jeans"),
    "shorts": ("shorts", "knee-length shorts"),
    "leggings": ("leggings",),
    "short skirt": ("short skirt", "miniskirt"),
    "long skirt": ("long skirt", "ankle-length skirt"),
    "sneakers": ("sneakers", "trainers", "sports shoes"),
    "boots": ("boots",),
    "sandals": ("sandals", "open sandals"),
    "dress shoes": ("dress shoes", "leather shoes", "formal shoes"),
    "backpack": ("backpack", "rucksack"),
    "shoulder bag": ("shoulder bag", "crossbody bag"),
    "handbag": ("handbag", "purse"),
    "tote bag": ("tote bag", "shopping bag"),
    "suitcase": ("suitcase", "trolley case"),
    "cap": ("cap", "baseball cap"),
    "beanie": ("beanie", "knitted hat", "woolly hat"),
    "brimmed hat": ("brimmed hat", "wide-brimmed hat"),
    "glasses": ("glasses", "spectacles"),
    "sunglasses": ("sunglasses", "dark glasses"),
    "phone": ("phone", "mobile phone"),
    "book": ("book",),
    "cup": ("cup", "paper cup", "coffee cup"),
    "umbrella": ("folded umbrella", "umbrella"),
    "box": ("cardboard box", "box"),
}
AGES: dict[str, tuple[str, ...]] = {
    "young": ("young",),
    "middle-aged": ("middle-aged",),
    "elderly": ("elderly", "old", "older"),
}
BUILDS: dict[str, tuple[str, ...]] = {
    "slim": ("slim", "thin", "slender"),
    "average": ("medium-built", "average-built"),
    "broad": ("broad-shouldered", "muscular", "broadly built"),
    "heavy": ("heavy-set", "overweight", "stout"),
}
SKINS: dict[str, tuple[str, ...]] = {
    "fair": ("fair", "pale", "light"),
    "tanned": ("tanned", "lightly tanned"),
    "brown": ("brown",),
    "dark": ("dark", "very dark"),
}
BEARDS: dict[str, tuple[str, ...]] = {
    "full beard": ("a full beard", "a long beard"),
    "short beard": ("a short beard", "a trimmed beard"),
    "moustache": ("a moustache",),
}
PRONOUNS = {"woman": ("she", "her"), "man": ("he", "his"), "": ("they", "their")}


@dataclass(frozen=True, slots=True)
class Facts:
    """What one image shows.

    Attributes:
        values: factor -> value for every visible factor, nothing else.
        view, facing, gait, lighting: as in the scene's attributes.
    """

    values: dict[str, str]
    view: str
    facing: str
    gait: str
    lighting: str

    @classmethod
    def of(cls, attributes: dict[str, Any]) -> Facts:
        """Only the visible part of a scene's attributes."""
        values = {name: attributes[name] for name in attributes["visible"]}
        return cls(values, *(attributes[key] for key in ("view", "facing", "gait", "lighting")))


@dataclass(slots=True)
class Words:
    """The wording of one annotator for one image; every phrase notes the factors that it names.

    Attributes:
        facts: what the image shows.
        dice: choices of this caption.
        taste: number of the annotator; decides between synonyms most of the time.
        mentioned: factors named so far.
    """

    facts: Facts
    dice: Dice
    taste: int
    mentioned: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether the image shows a factor."""
        return name in self.facts.values

    def value(self, name: str) -> str:
        """The value of a visible factor; it counts as mentioned."""
        self.mentioned.add(name)
        return self.facts.values[name]

    def choose(self, options: Sequence[str]) -> str:
        """The annotator's favourite among synonyms, now and then another one."""
        return options[self.taste % len(options)] if self.dice.chance(75) else self.dice.pick(options)

    def colour(self, name: str) -> str:
        """A clothing colour; in dim light navy may only be called dark."""
        value = self.value(name)
        if self.facts.lighting == "dim" and value in ("navy", "black") and self.dice.chance(15):
            return "dark"
        return self.choose(COLOUR_WORDS.get(value, (value,)))

    def noun(self, *, age: bool = True) -> str:
        """E.g. "elderly woman", "boy", "person"."""
        if not self.has("sex"):
            return self.choose(("person", "pedestrian"))
        sex = self.value("sex")
        child = self.facts.values.get("age") == "child"  # nobody calls a child a woman
        old = self.value("age") if self.has("age") and (age or child) else ""
        if old == "child":
            return self.choose(
                ("girl", "little girl", "young girl") if sex == "woman" else ("boy", "little boy", "young boy")
            )
        noun = self.choose((sex, sex, {"woman": "lady", "man": "guy"}[sex]))
        return f"{self.choose(AGES[old])} {noun}" if old else noun

    def pronoun(self, kind: int = 0) -> str:
        """she/he/they, or with kind 1 her/his/their; the sex must have been named."""
        return PRONOUNS[self.facts.values["sex"] if "sex" in self.mentioned else ""][kind]

    def verb(self, singular: str, plural: str) -> str:
        """The form that agrees with `pronoun`."""
        return singular if "sex" in self.mentioned else plural

    def stature(self, *, percent: int = 60) -> list[str]:
        """Adjectives of height and build; average ones are rarely worth a word."""
        words = []
        for name, table in (("height", {"tall": ("tall",), "short": ("short", "small")}), ("build", BUILDS)):
            value = self.facts.values.get(name)
            child = self.facts.values.get("age") == "child" and name == "height"
            if value in table and not child and self.dice.chance(percent // 4 if value == "average" else percent):
                words.append(self.choose(table[self.value(name)]))
        return words

    def skin(self) -> str:
        """E.g. "dark skin"."""
        return f"{self.choose(SKINS[self.value('skin')])} skin" if self.has("skin") else ""

    def hair(self) -> str:
        """E.g. "long blond hair"; only the colour where a hat hides the cut."""
        tint = (
            self.choose(HAIR_COLOURS.get(c, (c,)))
            if self.has("hair_colour") and (c := self.value("hair_colour"))
            else ""
        )
        if not self.has("hair_style"):
            return f"{tint} hair" if tint else ""
        style = self.value("hair_style")
        if style == "bald":
            return self.choose(("a bald head", "no hair"))
        forms = {
            "cropped": ("closely cropped {} hair", "a {} buzz cut", "very short {} hair"),
            "short": ("short {} hair",),
            "curly": ("curly {} hair", "thick {} curls"),
            "bob": ("a {} bob", "chin-length {} hair"),
            "long": ("long {} hair", "long straight {} hair"),
            "ponytail": ("{} hair in a ponytail", "a {} ponytail"),
            "bun": ("{} hair in a bun", "a {} bun"),
        }[style]
        return " ".join(self.choose(forms).format(tint).split())

    def beard(self) -> str:
        """E.g. "a full beard"."""
        return self.choose(BEARDS[self.value("beard")]) if self.has("beard") else ""

    def upper(self, *, details: bool = True) -> str:
        """E.g. "red and white striped T-shirt", "open black jacket over a grey top"; without an article."""
        if not self.has("upper_colour"):
            return ""
        colour = self.colour("upper_colour")
        name = self.choose(NAMES[self.value("upper")]) if self.has("upper") else "top"
        pattern = self.facts.values.get("upper_pattern", "plain") if details else "plain"
        if pattern == "plain":
            text = f"{colour} {name}"
            if self.has("upper_pattern") and details and self.dice.chance(14):
                text = f"{self.value('upper_pattern')} {text}"
        else:
            self.mentioned.add("upper_pattern")
            accent = self.colour("upper_accent")
            text = self.choose(
                {
                    "horizontal stripes": (
                        "{c} {n} with {a} stripes",
                        "{c} and {a} striped {n}",
                        "{c} {n} with horizontal {a} stripes",
                    ),
                    "vertical stripes": ("{c} {n} with vertical {a} stripes", "{c} and {a} pinstriped {n}"),
                    "checks": ("{c} and {a} checked {n}", "{c} plaid {n} with {a}"),
                    "dots": ("{c} {n} with {a} dots", "{c} and {a} polka-dot {n}"),
                    "print": ("{c} {n} with {an} {a} print on the chest", "{c} {n} with {an} {a} logo"),
                }[pattern]
            ).format(c=colour, n=name, a=accent, an=article(accent))
        if details and self.has("inner_colour"):
            inner = f"{self.colour('inner_colour')} {self.choose(('top', 'shirt'))}"
            text = f"open {text} over {article(inner)} {inner}"
        return text

    def lower(self) -> str:
        """E.g. "blue jeans", "short red skirt"; with an article where there is need of one."""
        if not self.has("lower_colour"):
            return ""
        colour = self.colour("lower_colour")
        if not self.has("lower"):
            return f"something {colour} below"
        name = self.choose(NAMES[self.value("lower")])
        if name.endswith("skirt"):
            adjective, _, noun = name.rpartition(" ")
            text = f"{adjective} {colour} {noun}".strip()
            return f"{article(text)} {text}"
        return f"{colour} {name}"

    def shoes(self) -> str:
        """E.g. "white sneakers"."""
        if not self.has("shoe_colour"):
            return ""
        name = self.choose(NAMES[self.value("shoes")]) if self.has("shoes") else "shoes"
        return f"{self.colour('shoe_colour')} {name}"

    def item(self, kind: str) -> str:
        """Bag, hat or carried object with colour and article, or glasses; "" where nothing shows."""
        if not self.has(kind):
            return ""
        name = self.choose(NAMES[self.value(kind)])
        colour = (
            self.colour(f"{kind}_colour") if self.has(f"{kind}_colour") and name not in ("cardboard box", "box") else ""
        )
        if kind == "glasses":
            return name
        text = f"{colour} {name}".strip()
        return f"{article(text)} {text}"

    def action(self) -> str:
        """E.g. "walking away from the camera"."""
        f = self.facts
        if f.gait == "walking":
            return "walking " + {"front": "towards the camera", "back": "away from the camera"}.get(
                f.view, f"to the {f.facing}"
            )
        return "standing " + {"front": "facing the camera", "back": "with the back to the camera"}.get(
            f.view, f"in profile, facing {f.facing}"
        )


def article(text: str) -> str:
    """a or an."""
    return "an" if text[:1].lower() in "aeiou" else "a"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Non-empty parts as "a, b and c"."""
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"
