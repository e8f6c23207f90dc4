import re
from collections import Counter

import pytest

from tbpsbench.minipedes.describe import (
    CLOTHING_TERMS,
    IDENTITY_TERMS,
    clothing_description,
    identity_description,
    terms,
)
from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.grammar import STYLES, annotators_for, write
from tbpsbench.minipedes.people import IDENTITY_FACTORS, factors, sample_outfit, sample_person
from tbpsbench.minipedes.words import NAMES, Facts, Words, article, listed


def imagined(pid: int) -> Facts:
    """Facts of an image that was not drawn: about three quarters of the factors are visible."""
    dice, values = Dice(0, "imagined", pid), factors(sample_person(0, pid), sample_outfit(0, pid, "A"))
    shown = {name: value for name, value in values.items() if value != "none" and dice.chance(75)}
    needed = {"shoes": "shoe_colour", "upper": "upper_colour", "upper_accent": "upper", "inner_colour": "upper"}
    needed |= {name: f"{name}_colour" for name in ("lower", "bag", "hat", "carried")}
    for name, other in needed.items():
        if other not in shown:
            shown.pop(name, None)
    if "upper_accent" not in shown:
        shown.pop("upper_pattern", None)
    return Facts(shown, dice.pick(("front", "back")), "none", dice.pick(("walking", "standing")), "normal")


FACTS = [imagined(pid) for pid in range(300)]
WRITTEN = [
    (facts, write(0, (pid, "A", 0), annotator, facts))
    for pid, facts in enumerate(FACTS)
    for annotator in annotators_for(0, (pid, "A", 0), "street")
]


def test_captions_mention_only_visible_factors():
    for facts, sentence in WRITTEN:
        assert set(sentence.mentions) <= set(facts.values), sentence


@pytest.mark.parametrize("kind", ["shoes", "bag", "hat", "glasses", "carried", "lower"])
def test_words_of_an_invisible_thing_do_not_occur(kind):
    words = {name for value in {f.values[kind] for f in FACTS if kind in f.values} for name in NAMES[value]}
    found = 0
    for facts, sentence in WRITTEN:
        named = any(re.search(rf"\b{re.escape(word)}\b", sentence.text) for word in words)
        found += named
        if kind not in facts.values:
            assert not named, sentence
    assert found > 20


def test_beard_is_written_exactly_when_it_is_recorded():
    for _, sentence in WRITTEN:
        assert bool(re.search("beard|moustache", sentence.text)) == ("beard" in sentence.mentions)


def test_eight_or_more_styles_occur_and_an_image_gets_two_of_them():
    assert len(STYLES) >= 8
    assert {sentence.style for _, sentence in WRITTEN} == set(STYLES)
    pairs = zip(WRITTEN[::2], WRITTEN[1::2], strict=True)
    assert all(one.style != other.style for (_, one), (_, other) in pairs)


def test_forty_percent_of_captions_name_three_identity_factors():
    rich = sum(len(set(sentence.mentions) & set(IDENTITY_FACTORS)) >= 3 for _, sentence in WRITTEN)
    assert rich / len(WRITTEN) >= 0.4


def test_annotators_leave_out_different_details():
    mentioned = Counter(name for _, sentence in WRITTEN for name in sentence.mentions)
    for name in ("shoes", "hair_colour", "bag", "build"):
        visible = sum(name in facts.values for facts, _ in WRITTEN)
        assert 0.1 < mentioned[name] / visible < 0.95, name


def test_sentences_are_clean():
    for _, sentence in WRITTEN:
        assert sentence.text == " ".join(sentence.text.split())
        assert not re.search(r" [,.;]|,,|\.\.|\{|\}|none|\ba [aeio]|\ban [^aeiou]", sentence.text), sentence.text
        assert 2 <= len(sentence.text.split()) <= 90


def test_indoor_annotators_have_another_mix_of_styles():
    def share(domain):
        picked = [a % len(STYLES) for pid in range(300) for a in annotators_for(0, (pid, "A", 0), domain)]
        return Counter(tuple(STYLES)[s] for s in picked)["list"] / len(picked)

    assert share("indoor") > 1.4 * share("street")


def test_descriptions_keep_to_their_side():
    for facts in FACTS:
        identity, clothing = identity_description(facts), clothing_description(facts)
        assert not terms(identity) & CLOTHING_TERMS, identity
        assert not terms(clothing) & IDENTITY_TERMS, clothing
        assert not re.search(r" [,.]|,,|none|\ba [aeio]", identity + clothing), identity + clothing


def test_descriptions_name_what_is_visible():
    facts = Facts(
        {"sex": "man", "age": "elderly", "height": "tall", "build": "slim", "hair_style": "short"}
        | {"hair_colour": "grey", "upper": "hoodie", "upper_colour": "orange", "upper_pattern": "plain"}
        | {"shoes": "boots", "shoe_colour": "black"},
        "front", "none", "standing", "normal",
    )  # fmt: skip
    assert identity_description(facts) == "A tall, slim, elderly man with short grey hair."
    assert clothing_description(facts) == "An orange hoodie and black boots."


def test_descriptions_are_never_empty():
    nothing = Facts({}, "front", "none", "standing", "normal")
    assert identity_description(nothing) == "A person."
    assert clothing_description(nothing).endswith("made out.")


def test_a_child_is_never_called_a_woman_or_man():
    facts = Facts({"sex": "woman", "age": "child"}, "front", "none", "standing", "normal")
    for draw in range(20):
        assert "girl" in Words(facts, Dice(0, "child", draw), draw).noun(age=False)


def test_lists_and_articles():
    assert listed(["a", "", "b", "c"]) == "a, b and c"
    assert listed([""]) == ""
    assert (article("orange coat"), article("red coat")) == ("an", "a")
