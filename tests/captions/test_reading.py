"""What captions say, read phrase by phrase; MiniPEDES knows what its annotators said."""

from collections import Counter

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.captions.reading import read


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("A tall, slim young man with short brown hair.",
         {"height": ["tall"], "build": ["slim"], "age": ["young"], "sex": ["man"], "hair_style": ["short"],
          "hair_colour": ["brown"]}),
        ("Woman, small. A white bob.",
         {"sex": ["woman"], "height": ["short"], "hair_style": ["bob"], "hair_colour": ["white"]}),
        ("a little girl in a short red skirt",
         {"sex": ["woman"], "age": ["child"], "lower": ["short skirt"], "lower_colour": ["red"]}),
        ("red and white striped T-shirt",
         {"upper": ["T-shirt"], "upper_colour": ["red"], "upper_accent": ["white"],
          "upper_pattern": ["horizontal stripes"]}),
        ("He wears a navy T-shirt with a yellow print.",
         {"upper": ["T-shirt"], "upper_colour": ["navy"], "upper_pattern": ["print"], "upper_accent": ["yellow"]}),
        ("an open black jacket over a grey top",
         {"upper": ["jacket"], "upper_colour": ["black"], "inner_colour": ["grey"]}),
        ("He is tall and slim. She is middle-aged. They are of average build and height.",
         {"height": ["tall", "average"], "build": ["slim", "average"], "age": ["middle-aged"]}),
        ("The person is tall, slim and young.", {"height": ["tall"], "build": ["slim"], "age": ["young"]}),
        ("a T-shirt in red", {"upper": ["T-shirt"], "upper_colour": ["red"]}),
        ("skin: fair; hair: fair hair in a bun",
         {"skin": ["fair"], "hair_colour": ["blond"], "hair_style": ["bun"]}),
        ("dark skin and dark blue jeans", {"skin": ["dark"], "lower": ["jeans"], "lower_colour": ["navy"]}),
        ("She carries a bag.", {}),
        ("nothing to be seen", {}),
    ],
)  # fmt: skip
def test_facts(text, facts):
    assert read(text).facts == facts


def test_what_is_denied_is_not_said():
    found = read("A man without a hat, no glasses and a black backpack.")
    assert found.denied == {"hat", "glasses"}
    assert "hat" not in found.facts
    assert found.slots == {"sex", "bag", "hat", "glasses"}


def test_captions_of_minipedes_are_read_as_they_were_meant(mini):
    """Of the factors that its annotators named, and of no others."""
    right, wrong = Counter(), Counter()
    for record in read_annotations(mini / "tiny-0" / "human.jsonl").records:
        for caption, named in zip(record.captions, record.attributes["mentions"], strict=True):
            facts = read(caption.text).facts
            for factor in named:
                known = record.attributes[factor] in facts.get(factor, ())
                (right if known else wrong)[factor] += 1
            wrong.update(f"{f} not said" for f in facts if f not in named and f in record.attributes)
    assert sum(right.values()) > 800
    assert sum(wrong.values()) < 0.01 * sum(right.values()), wrong
