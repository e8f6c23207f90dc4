"""What a simulated model believes to see of a MiniPEDES image: the stored factors, with errors on purpose.

Every factor has dice of its own, keyed by seed and image: what is wrong at a low rate is wrong in the same way at a
higher one, and what is taken for something else is taken for it in every reply. Whether a factor is overlooked is drawn
anew for every kind of question, as a question about the shoes makes a model look at them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.simulate import OPTIONS
from tbpsbench.minipedes.words import Facts

STEPS = 10_000
# What can be asked about -> the factors that an answer is made from.
SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sex": ("sex",),
        "age": ("age",),
        "build": ("build", "height"),
        "skin": ("skin",),
        "hair": ("hair_style", "hair_colour"),
        "beard": ("beard",),
        "upper": ("upper", "upper_colour", "upper_pattern", "upper_accent", "inner_colour"),
        "lower": ("lower", "lower_colour"),
        "shoes": ("shoes", "shoe_colour"),
        "bag": ("bag", "bag_colour"),
        "hat": ("hat", "hat_colour"),
        "glasses": ("glasses",),
        "held": ("carried", "carried_colour"),
        "action": (),
    }
)
# Factors that can be invented, with what comes with them.
INVENTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "beard": (),
        "bag": ("bag_colour",),
        "hat": ("hat_colour",),
        "glasses": (),
        "carried": ("carried_colour",),
    }
)
# Shades that fit several colours, and things whose absence shows.
VAGUE, ABSENT = frozenset({"dark", "light"}), frozenset({"bag", "hat", "carried"})
Claims = Collection[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Sight:
    """How a simulated model errs; shares from 0 to 1.

    Attributes:
        wrong: of the visible factors, taken for something else.
        missing: of the visible factors, overlooked.
        invented: of the things that are not there or cannot be seen (bag, hat, glasses, ...), seen all the same.
        seed: of its dice.
    """

    wrong: float
    missing: float
    invented: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("wrong", "missing", "invented"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected a share from 0 to 1")

    def look(
        self, attributes: Mapping[str, Any], image: str, purpose: str, factors: Collection[str], missing: float
    ) -> Facts:
        """What it believes to see.

        Args:
            attributes: the image's, as in human.jsonl.
            image: names the image; keys the dice.
            purpose: kind of question; keys the dice of what is overlooked.
            factors: that are looked at.
            missing: share that is overlooked, instead of its own.

        Returns:
            facts with those of the factors that it sees.
        """
        facts = Facts.of(dict(attributes))
        values = {}
        for name, value in facts.values.items():
            if name not in factors or self._chance(missing, "missing", image, name, purpose):
                continue
            others = [option for option in OPTIONS[name] if option != value]
            wrong = self._chance(self.wrong, "wrong", image, name)
            values[name] = self._dice("instead", image, name).pick(others) if wrong else value
        for name, along in INVENTED.items():
            if name in factors and name not in facts.values and self._chance(self.invented, "invented", image, name):
                values |= {n: self._dice("invented value", image, n).pick(OPTIONS[n]) for n in (name, *along)}
        if values.get("upper_pattern", "plain") != "plain" and "upper_accent" not in values:
            del values["upper_pattern"]  # whoever sees a pattern sees its colour
        return replace(facts, values=values)

    def remember(self, claims: Claims, text: str) -> Facts:
        """What is remembered of a person of whom a text says so, with its errors.

        Args:
            claims: factor -> values, as read in the text.
            text: keys the dice.
        """
        said = {name: values[0] for name, values in claims if values and values[0] in OPTIONS.get(name, ())}
        plain = {"visible": list(said), "view": "none", "facing": "none", "gait": "none", "lighting": "none"}
        return self.look({**said, **plain}, text, "remember", list(said), self.missing)

    def judge(self, attributes: Mapping[str, Any], image: str, claims: Claims, text: str, misjudged: float) -> str:
        """Whether a text fits an image: nothing that it says is otherwise there. What cannot be seen does not count.

        Args:
            attributes: the image's, as in human.jsonl.
            image, text: key the dice.
            claims: factor -> values, as read in the text; "dark" and "light" are not held against anybody.
            misjudged: share of verdicts that are turned round.

        Returns:
            a reply, as a model words it.
        """
        facts = Facts.of(dict(attributes)).values
        otherwise = any(
            (name in facts and facts[name] not in values and not VAGUE & {*values})
            or (name in ABSENT and attributes.get(name) == "none")
            for name, values in claims
        )
        turned = self._chance(misjudged, "misjudged", image, text)
        return "No, something is different in the image." if otherwise != turned else "Yes."

    def _chance(self, share: float, *keys: str) -> bool:
        return self._dice(*keys).below(STEPS) < share * STEPS

    def _dice(self, *keys: str) -> Dice:
        return Dice(self.seed, "simulated model", *keys)
