import re

import pytest

from tbpsbench.captions.lexicon import ADJECTIVES, NOUNS
from tbpsbench.captions.masking import CERTAIN, PRONOUNS, VAGUE, LexiconMasker
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.minipedes import words

MASKER = LexiconMasker()
LEFT = {CERTAIN, *VAGUE.values(), *PRONOUNS.values(), "a", "an", "and", "in", "no"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("A tall man in a red and white striped T-shirt.", "A certain person in a certain garment."),
        ("She wears an orange dress and black dress shoes", "They wears a certain garment and certain footwear"),
        ("person: old lady; hair: grey", "person: certain person; hair: certain"),
        ("An overweight guy, his  dark\nblue Jeans, GUY", "A certain person, their  certain garment, Person"),
        ("It looks like nothing here", "It looks like nothing here"),
        ("", ""),
    ],
)
def test_attributes_become_vague_and_the_sentence_stays(text, masked):
    assert MASKER(text) == masked


@pytest.mark.parametrize(
    "table",
    [words.COLOUR_WORDS, words.HAIR_COLOURS, words.NAMES, words.AGES, words.BUILDS, words.SKINS, words.BEARDS],
)
def test_every_word_that_minipedes_has_for_an_attribute_is_masked(table):
    for phrases in table.values():
        for phrase in phrases:
            left = set(re.findall(r"[a-z-]+", MASKER(phrase).lower())) - LEFT
            assert not left, f"{phrase!r} left {left}"


def test_captions_that_differ_in_attributes_alone_are_masked_alike():
    told = "I am looking for a {}, last seen in {}."
    one = told.format("young woman with curly red hair", "a pink hoodie and blue shorts")
    other = told.format("tall, thin elderly man with hair", "an olive coat and khaki trousers")
    assert MASKER(one) == MASKER(other).replace("with hair", "with certain hair")


def test_masking_twice_is_masking_once(mini):
    records = MiniPEDES(root=str(mini), size="tiny").load().records
    for caption in (caption for record in records for caption in record.captions):
        once = MASKER(caption.text)
        assert MASKER(once) == once


def test_slots_that_a_text_names():
    assert MASKER.slots("A tall man in jeans, with two shopping bags") == {"height", "person", "lower", "bag"}
    assert MASKER.slots("nothing to see") == set()


def test_words_within_words_are_left_alone():
    assert MASKER("a manner of coating, capable") == "a manner of coating, capable"


def test_every_noun_has_a_vague_word_and_no_vague_word_is_an_attribute():
    assert set(NOUNS) == set(VAGUE)
    described = {word for table in ADJECTIVES.values() for word in table}
    assert not described & {CERTAIN, *VAGUE.values()}


def test_lexicon_of_ones_own():
    masker = LexiconMasker({"upper": ["kimono"]}, {"colour": ["vermilion"]})
    assert masker("A vermilion kimono and jeans") == "A certain garment and jeans"
