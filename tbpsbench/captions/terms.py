"""Words for what persons look like and wear: what a caption says is read by them, and a style is what is left of it.

Each table maps a value to the ways of writing it, lower case. Where MiniPEDES has the value, its name is that of the
factor's value there, so that what is read can be compared with what was drawn. Values are English words of everyday
captions, gathered from the questions of `slots.py`, MiniPEDES' grammar and the attribute lists of pedestrian data sets
(APTM's 27 attributes: Yang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Mapping

Terms = Mapping[str, tuple[str, ...]]

COLOURS: Terms = {
    "navy": ("navy blue", "navy", "dark blue"),
    "light blue": ("light blue", "sky-blue", "sky blue", "pale blue"),
    "burgundy": ("burgundy", "dark red", "maroon", "wine red"),
    "olive": ("olive green", "olive", "khaki", "army green"),
    "beige": ("beige", "cream", "sand-coloured", "sand-colored", "tan", "off-white"),
    "light brown": ("light brown",),
    "brown": ("dark brown", "brown"),
    "grey": ("dark grey", "light grey", "dark gray", "light gray", "grey", "gray"),
    "black": ("black",),
    "white": ("white",),
    "blue": ("blue",),
    "red": ("bright red", "red"),
    "pink": ("pink",),
    "purple": ("purple", "violet"),
    "green": ("dark green", "light green", "green"),
    "yellow": ("yellow",),
    "orange": ("orange",),
    "blond": ("blond", "blonde"),
    "ginger": ("ginger",),
    "silver": ("silver",),
    "dark": ("dark-coloured", "dark-colored", "dark"),
    "light": ("light-coloured", "light-colored", "light"),
}
# Nouns and adjectives that name a value by themselves, by factor.
SEX: Terms = {
    "woman": ("woman", "lady", "girl", "female", "women"),
    "man": ("man", "guy", "gentleman", "boy", "male", "men"),
}
AGE: Terms = {
    "child": ("child", "kid", "toddler"),
    "young": ("young", "teenage"),
    "middle-aged": ("middle-aged", "middle aged"),
    "elderly": ("elderly", "old", "older", "senior"),
}
BUILD: Terms = {
    "slim": ("slim build", "slim", "thin", "slender"),
    "average": ("medium-built", "average-built", "average build", "medium build"),
    "broad": ("broad-shouldered", "muscular", "broadly built", "broad build", "broad", "stocky"),
    "heavy": ("heavy-set", "overweight", "stout", "heavy build", "heavily built", "heavy"),
}
HEIGHT: Terms = {
    "tall": ("tall",),
    "short": ("short", "small"),
    "average": ("average height", "medium height"),
}
SKIN: Terms = {
    "fair": ("fair skin", "pale skin", "light skin", "fair-skinned", "light-skinned"),
    "tanned": ("lightly tanned skin", "tanned skin", "tanned"),
    "brown": ("brown skin", "brown-skinned"),
    "dark": ("very dark skin", "dark skin", "dark-skinned"),
}
HAIR_STYLE: Terms = {
    "bald": ("bald head", "no hair", "bald"),
    "cropped": ("cropped", "buzz cut", "very short", "shaved"),
    "curly": ("curly", "curls"),
    "bob": ("bob", "chin-length"),
    "ponytail": ("ponytail", "pony tail"),
    "bun": ("bun",),
    "long": ("long straight", "long", "shoulder-length"),
    "short": ("short",),
}
BEARD: Terms = {
    "moustache": ("moustache", "mustache"),
    "short beard": ("short beard", "trimmed beard", "stubble"),
    "full beard": ("full beard", "long beard", "beard"),
}
UPPER: Terms = {
    "polo shirt": ("polo shirt", "polo"),
    "T-shirt": ("t-shirt", "t shirt", "tee-shirt", "tee", "short-sleeved top"),
    "tank top": ("tank top", "sleeveless top", "vest"),
    "hoodie": ("hooded sweatshirt", "hoodie", "hooded sweater"),
    "sweater": ("sweatshirt", "sweater", "jumper", "pullover", "cardigan"),
    "puffer jacket": ("puffer jacket", "padded jacket", "down jacket", "puffer"),
    "coat": ("long coat", "overcoat", "trench coat", "raincoat", "coat"),
    "jacket": ("short jacket", "denim jacket", "leather jacket", "suit jacket", "jacket", "blazer"),
    "shirt": ("button-up shirt", "long-sleeved shirt", "dress shirt", "shirt", "blouse"),
    "dress": ("knee-length dress", "dress"),
    "garment": ("long-sleeved top", "top", "garment", "clothes", "clothing", "outfit"),
}
LOWER: Terms = {
    "long skirt": ("ankle-length skirt", "long skirt"),
    "short skirt": ("short skirt", "miniskirt", "mini skirt"),
    "jeans": ("denim jeans", "jeans", "denims"),
    "shorts": ("knee-length shorts", "shorts"),
    "leggings": ("leggings",),
    "trousers": ("trousers", "pants", "slacks", "chinos", "sweatpants"),
    "skirt": ("skirt",),
    "garment below": ("garment below", "something below"),
}
SHOES: Terms = {
    "dress shoes": ("dress shoes", "leather shoes", "formal shoes", "loafers"),
    "sneakers": ("sneakers", "trainers", "sports shoes", "running shoes"),
    "boots": ("boots",),
    "sandals": ("open sandals", "sandals", "slippers", "flip-flops"),
    "shoes": ("shoes", "footwear", "high heels", "heels"),
}
BAG: Terms = {
    "backpack": ("backpack", "rucksack", "schoolbag"),
    "shoulder bag": ("shoulder bag", "crossbody bag", "messenger bag"),
    "handbag": ("handbag", "purse", "hand bag"),
    "tote bag": ("tote bag", "shopping bag", "plastic bag", "tote"),
    "suitcase": ("suitcase", "trolley case", "luggage"),
    "bag": ("bag",),
}
HAT: Terms = {
    "cap": ("baseball cap", "cap"),
    "beanie": ("beanie", "knitted hat", "woolly hat"),
    "brimmed hat": ("wide-brimmed hat", "brimmed hat"),
    "hat": ("hat", "helmet", "hood up", "headwear"),
}
GLASSES: Terms = {
    "sunglasses": ("sunglasses", "dark glasses"),
    "glasses": ("glasses", "spectacles", "eyeglasses"),
}
CARRIED: Terms = {
    "phone": ("mobile phone", "cell phone", "phone", "smartphone"),
    "book": ("book", "newspaper", "folder"),
    "cup": ("paper cup", "coffee cup", "cup", "bottle"),
    "umbrella": ("folded umbrella", "umbrella"),
    "box": ("cardboard box", "box"),
    "thing in the hand": ("thing in the hand",),
}
PATTERN: Terms = {
    "horizontal stripes": ("horizontal stripes", "stripes", "striped"),
    "vertical stripes": ("vertical stripes", "pinstriped", "pinstripes"),
    "checks": ("checked", "checks", "plaid", "chequered", "checkered"),
    "dots": ("polka-dot", "polka dots", "dots", "dotted"),
    "print": ("print", "logo", "printed", "lettering", "graphic"),
    "plain": ("plain",),
}
ACTION: Terms = {
    "walking": ("walking", "walks", "strolling", "running"),
    "standing": ("standing", "stands", "waiting"),
    "cycling": ("riding", "cycling"),
    "sitting": ("sitting", "sits"),
}

# Factors whose word is a noun that colours are said of: factor -> (its table, the factor of its colour).
THINGS: Mapping[str, tuple[Terms, str]] = {
    "upper": (UPPER, "upper_colour"),
    "lower": (LOWER, "lower_colour"),
    "shoes": (SHOES, "shoe_colour"),
    "bag": (BAG, "bag_colour"),
    "hat": (HAT, "hat_colour"),
    "carried": (CARRIED, "carried_colour"),
    "glasses": (GLASSES, "glasses_colour"),
}
# Values that name a thing without saying which kind it is: they cover nothing.
VAGUE = frozenset({"garment", "garment below", "shoes", "bag", "hat", "skirt", "thing in the hand"})

# What the factors belong to.
SLOT_OF: Mapping[str, str] = {
    "sex": "sex", "age": "age", "build": "build", "height": "build", "skin": "skin", "hair_style": "hair",
    "hair_colour": "hair", "beard": "beard", "upper": "upper", "upper_colour": "upper", "upper_pattern": "upper",
    "upper_accent": "upper", "inner_colour": "upper", "lower": "lower", "lower_colour": "lower", "shoes": "shoes",
    "shoe_colour": "shoes", "bag": "bag", "bag_colour": "bag", "hat": "hat", "hat_colour": "hat",
    "glasses": "glasses", "glasses_colour": "glasses", "carried": "held", "carried_colour": "held", "action": "action",
}  # fmt: skip
