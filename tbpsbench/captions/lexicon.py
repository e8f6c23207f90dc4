"""Words that name what a person is and wears, by slot: what the lexicon masker leaves out and coverage is counted by.

Plain English of pedestrian captions, one entry per word or fixed phrase, lower case and singular; plurals in -s and -es
are understood. `NOUNS` name a thing, `ADJECTIVES` describe one. A word may describe several slots ("short": hair,
skirt, person); it stands where it is met most.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    """Entries of a comma-separated list."""
    return tuple(entry.strip() for entry in text.replace("\n", " ").split(","))


NOUNS: dict[str, tuple[str, ...]] = {
    "person": _words(
        "man, men, woman, women, lady, ladies, guy, girl, boy, male, female, gentleman, gentlemen, child, "
        "children, kid, teenager, teen, youth, adult, senior, person, people, pedestrian, individual, human, "
        "somebody, someone, subject"
    ),
    "hair": _words(
        "hair, haircut, hairstyle, hairdo, bun, ponytail, pony tail, pigtail, bob, braid, plait, curl, buzz cut, "
        "crew cut, dreadlock, fringe, bangs, afro, bald head, shaved head, head of hair"
    ),
    "beard": _words("beard, moustache, mustache, goatee, stubble, sideburn, facial hair"),
    "skin": _words("skin, complexion, skin tone"),
    "upper": _words(
        "t-shirt, t shirt, tshirt, tee-shirt, tee, shirt, polo shirt, polo, dress shirt, button-up shirt, "
        "button-down shirt, blouse, top, tank top, sleeveless top, crop top, vest, waistcoat, undershirt, sweater, "
        "jumper, pullover, cardigan, sweatshirt, hoodie, hoody, hooded sweatshirt, jacket, puffer jacket, padded "
        "jacket, down jacket, puffer, parka, anorak, windbreaker, raincoat, coat, overcoat, trench coat, "
        "trenchcoat, blazer, suit jacket, suit, uniform, jersey, dress, gown, robe, tunic, jumpsuit, overalls, "
        "outfit, tracksuit, poncho, shawl"
    ),
    "lower": _words(
        "trousers, pants, pant, slacks, jeans, denims, shorts, leggings, tights, sweatpants, joggers, capris, "
        "capri pants, cargo pants, chinos, khakis, skirt, miniskirt, mini skirt, bottoms"
    ),
    "shoes": _words(
        "shoe, shoes, sneaker, trainer, sports shoes, running shoes, tennis shoes, dress shoes, leather shoes, "
        "formal shoes, boot, sandal, slipper, flip-flop, flip flop, heel, high heels, loafer, flats, footwear, "
        "sock"
    ),
    "bag": _words(
        "bag, backpack, back pack, rucksack, knapsack, bookbag, shoulder bag, crossbody bag, messenger bag, "
        "satchel, handbag, hand bag, purse, tote bag, tote, shopping bag, plastic bag, paper bag, suitcase, "
        "trolley case, luggage, briefcase, duffel bag, fanny pack, pouch"
    ),
    "hat": _words(
        "hat, cap, baseball cap, beanie, knitted hat, woolly hat, brimmed hat, wide-brimmed hat, sun hat, hood, "
        "helmet, headscarf, headband, bandana, visor"
    ),
    "glasses": _words("glasses, eyeglasses, spectacles, sunglasses, shades, dark glasses, goggles"),
    "accessory": _words(
        "scarf, tie, necktie, belt, glove, watch, wristwatch, bracelet, necklace, earring, ring, mask, lanyard"
    ),
    "carried": _words(
        "phone, mobile phone, cell phone, cellphone, smartphone, mobile, book, magazine, newspaper, cup, paper "
        "cup, coffee cup, bottle, drink, umbrella, box, cardboard box, parcel, package, laptop, camera bag, "
        "headphone, earphone, bicycle, bike, scooter, stroller, cart"
    ),
    "detail": _words(
        "stripe, check, plaid, dot, polka dot, print, logo, pattern, design, graphic, lettering, writing, sleeve, "
        "collar, button, zipper, pocket, lining, trim"
    ),
}  # fmt: skip

ADJECTIVES: dict[str, tuple[str, ...]] = {
    "colour": _words(
        "black, white, grey, gray, silver, red, scarlet, crimson, burgundy, maroon, pink, magenta, purple, violet, "
        "lilac, lavender, blue, navy, navy blue, turquoise, teal, cyan, aqua, green, olive, olive green, khaki, "
        "lime, mint, yellow, mustard, gold, golden, orange, peach, coral, brown, tan, beige, cream, ivory, camel, "
        "sand-coloured, sand-colored, off-white, sky-blue, sky blue, multicoloured, multicolored, colourful, "
        "colorful, coloured, colored, dark, light, bright, pale, deep, faded, neon"
    ),
    "hair colour": _words("blond, blonde, brunette, ginger, auburn, fair, greying, graying"),
    "pattern": _words(
        "plain, solid, striped, pinstriped, stripy, checked, checkered, chequered, plaid, tartan, dotted, "
        "polka-dot, spotted, printed, patterned, floral, flowered, camouflage, camo, graphic, horizontal, vertical"
    ),
    "shape": _words(
        "short-sleeved, short-sleeve, short sleeved, short sleeve, long-sleeved, long-sleeve, long sleeved, long "
        "sleeve, sleeveless, knee-length, knee length, ankle-length, ankle length, floor-length, chin-length, "
        "shoulder-length, shoulder length, waist-length, long, short, small, little, large, big, tight, loose, "
        "baggy, slim-fitting, fitted, cropped, ripped, rolled-up, open, unbuttoned, zipped, button-up, "
        "button-down, hooded, v-neck, round-neck, collared, folded, brimmed, wide-brimmed, high-heeled, flat, "
        "closely, very"
    ),
    "hair shape": _words(
        "curly, wavy, straight, thick, bald, balding, shaved, tied, braided, combed, messy"
    ),
    "beard shape": _words("full, trimmed, bushy"),
    "material": _words(
        "denim, leather, cotton, wool, woollen, woolly, woolen, knitted, knit, silk, fleece, fur, furry, padded, "
        "quilted, canvas, plastic, paper, cardboard"
    ),
    "kind": _words("sports, sporty, formal, casual, winter, summer"),
    "age": _words(
        "young, younger, old, older, elderly, middle-aged, middle aged, adult, teenage, aged, grown"
    ),
    "sex": _words("male, female"),
    "build": _words(
        "slim, thin, slender, skinny, lean, medium-built, average-built, medium build, average build, well-built, "
        "broad, broad-shouldered, broadly built, muscular, athletic, heavy, heavy-set, heavyset, overweight, "
        "stout, chubby, fat, plump, stocky, petite"
    ),
    "height": _words("tall, average height, medium height"),
    "skin tone": _words("tanned, lightly tanned, light-skinned, dark-skinned, fair-skinned, pale-skinned"),
}  # fmt: skip
