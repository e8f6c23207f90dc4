"""Ground truth as text: who a person is and what they wear, each without a word of the other."""

from __future__ import annotations

import re

from tbpsbench.minipedes.words import Facts, article, listed

# Words that may only occur on one side; colours, "with" and the like are common to both.
IDENTITY_TERMS = frozenset(
    {"woman", "man", "girl", "boy", "child", "person", "young", "middle-aged", "elderly", "slim", "average", "broad"}
    | {
        "heavy",
        "build",
        "short",
        "tall",
        "height",
        "skin",
        "fair",
        "tanned",
        "dark",
        "hair",
        "bald",
        "cropped",
        "curly",
    }
    | {"bob", "long", "ponytail", "bun", "beard", "moustache"}
)
CLOTHING_TERMS = frozenset(
    {"t-shirt", "shirt", "polo", "sweater", "hoodie", "jacket", "puffer", "coat", "tank", "top", "dress", "trousers"}
    | {"jeans", "shorts", "leggings", "miniskirt", "skirt", "sneakers", "boots", "sandals", "shoes", "garment"}
    | {"backpack", "bag", "handbag", "tote", "suitcase", "cap", "beanie", "hat", "glasses", "sunglasses", "phone"}
    | {"book", "cup", "umbrella", "box", "stripes", "checks", "dots", "print"}
)
_HAIR = {
    "cropped": "closely cropped {} hair",
    "short": "short {} hair",
    "curly": "curly {} hair",
    "bob": "{} hair in a bob",
    "long": "long {} hair",
    "ponytail": "{} hair in a ponytail",
    "bun": "{} hair in a bun",
    "bald": "a bald head",
    "": "{} hair",
}
_SKIRTS = {"short skirt": "miniskirt", "long skirt": "ankle-length skirt"}


def identity_description(facts: Facts) -> str:
    """E.g. "A tall, slim, middle-aged man with brown skin, grey hair in a bun and a moustache."."""
    get = facts.values.get
    sex, age = get("sex", ""), get("age", "")
    child = age == "child"
    noun = {"woman": "girl", "man": "boy"}.get(sex, "child") if child else sex or "person"
    height, build = "" if child else get("height", ""), get("build", "")
    adjectives = [value for value in (height, build, "" if child else age) if value not in ("", "average")]
    text = f"{', '.join(adjectives)} {noun}".strip()
    hair = ""
    if get("hair_style") or get("hair_colour"):
        hair = " ".join(_HAIR[get("hair_style", "")].format(get("hair_colour", "")).split())
    beard = get("beard", "")
    parts = [
        "average height" if height == "average" else "",
        "average build" if build == "average" else "",
        f"{get('skin')} skin" if get("skin") else "",
        hair,
        f"a {beard}" if beard else "",
    ]
    detail = listed(parts)
    return f"{article(text).capitalize()} {text}{' with ' + detail if detail else ''}."


def clothing_description(facts: Facts) -> str:
    """E.g. "A black T-shirt with a yellow print, navy trousers, brown sandals and glasses."."""
    get = facts.values.get
    kind = get("lower", "garment below")
    lower = f"{get('lower_colour', '')} {_SKIRTS.get(kind, kind)}".strip() if _any(facts, "lower") else ""
    if lower.endswith(("skirt", "below")):
        lower = _a(lower)
    shoes = f"{get('shoe_colour', '')} {get('shoes', 'shoes')}".strip() if _any(facts, "shoes", "shoe_colour") else ""
    items = [
        _a(f"{get(f'{kind}_colour', '')} {get(kind, noun)}".strip()) if _any(facts, kind) else ""
        for kind, noun in (("bag", "bag"), ("hat", "hat"), ("carried", "thing in the hand"))
    ]
    upper = _upper(facts)
    text = listed([upper, lower, shoes, *items, get("glasses", "")])
    return f"{text[:1].upper()}{text[1:]}." if text else "Nothing of the garments can be made out."


def _upper(facts: Facts) -> str:
    get = facts.values.get
    pattern = get("upper_pattern", "plain")
    if not _any(facts, "upper", "inner") and pattern == "plain":
        return ""
    text = _a(f"{get('upper_colour', '')} {get('upper', 'garment')}".strip())
    if pattern != "plain":
        worn = f"{get('upper_accent', '')} {pattern}".strip()
        text += f" with {_a(worn) if pattern == 'print' else worn}"
    return text + (f" open over {_a(get('inner_colour', '') + ' top')}" if get("inner_colour") else "")


def _any(facts: Facts, *names: str) -> bool:
    """Whether a thing or its colour shows."""
    return any(name in facts.values or f"{name}_colour" in facts.values for name in names)


def terms(text: str) -> set[str]:
    """The words of a text in lower case, for checks against the two term lists."""
    return set(re.findall(r"[a-z][a-z-]*", text.lower()))


def _a(text: str) -> str:
    return f"{article(text)} {text}"
