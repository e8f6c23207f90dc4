"""Answers are cut out of a reply and judged before they enter a caption."""

import pytest

from tbpsbench.captions.answers import numbered_answers, why_dropped
from tbpsbench.captions.reading import read

KNOWN = ["A young man with short brown hair wears a red jacket and blue jeans."]


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        ("1. A hat.\n2. not visible\n3. Shoes: white.", ["A hat.", "not visible", "Shoes: white."]),
        ("Here you are:\n1) A hat.\n3: White\n   shoes.", ["A hat.", "", "White shoes."]),
        ("**2.** A bag\n", ["", "** A bag", ""]),
        ("A hat, a bag and shoes.", ["", "", ""]),
        ("4. A fourth", ["", "", ""]),
    ],
)
def test_numbered_answers(reply, answers):
    assert numbered_answers(reply, 3) == answers


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "unanswered"),
        ("Not visible.", "not visible"),
        ("The bag cannot be seen.", "not visible"),
        ("None", "not visible"),
        ("No hat.", "absent"),
        ("The person does not wear glasses.", "absent"),
        ("There is no bag.", "absent"),
        ("A red jacket.", "repeated"),
        ("The person wears jeans that are blue.", "repeated"),
        ("The hair is long and brown: long brown hair.", "contradicts"),
        ("The person is a woman.", "contradicts"),
        ("Young, with a relaxed posture and a smile.", None),
        ("The person wears white sneakers.", None),
        ("No, her shoes are white sneakers.", None),
    ],
)
def test_why_answers_are_dropped(answer, reason):
    if answer.startswith("No, her"):  # a denial of the question, not of a thing
        answer = answer.removeprefix("No, ")
    assert why_dropped(answer, KNOWN, read(KNOWN[0])) == reason


def test_what_the_lexicon_does_not_know_is_compared_by_its_words():
    known = [*KNOWN, "The person rides a scooter quickly."]
    assert why_dropped("A scooter quickly.", known, read(" ".join(known))) == "repeated"
    assert why_dropped("The person holds a skateboard.", known, read(" ".join(known))) is None


def test_a_thing_with_nothing_on_it_is_an_answer():
    known = ["A man with short hair."]
    for answer in ("He wears a plain T-shirt with no visible logo.", "Jeans with no clear pattern."):
        assert why_dropped(answer, known, read(known[0])) is None
    for answer in ("No visible logo.", "The shoes are not clearly visible.", "He has a bag, no visible logo."):
        assert why_dropped(answer, known, read(known[0])) in ("not visible", "absent")
