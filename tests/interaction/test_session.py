"""A session step by step: what comes next, what a person may do, undoing, and playing it again."""

from dataclasses import replace

import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.interaction.answers import answered
from tbpsbench.interaction.fusion import ranks_of
from tbpsbench.interaction.merging import joined
from tbpsbench.interaction.rules import PRESETS, Rules
from tbpsbench.interaction.session import begin, read_session
from tbpsbench.interaction.state import State
from tbpsbench.interaction.turns import PERSON, Answered, Ask, Done, Judge, Judged, Merge, Refined
from tbpsbench.interaction.verdicts import says_yes

BASE = np.array([0.1, 0.6, 0.5, 0.4, -0.2], np.float32)
QUERY = "a woman in a red coat"


def similar(text):
    return np.random.default_rng(list(text.encode())).uniform(0, 1, len(BASE)).astype(np.float32)


@pytest.mark.parametrize(
    ("reply", "yes"),
    [
        ("Yes", True), ("yes, the coat is red", True), ("**Yes**", True), ("The answer is yes.", True),
        ("ＹＥＳ", True),
        ("No, her eyes are blue.", False), ("No. Yes.", False), ("No\nYes", False), ("Yes or No", False),
        ("yesterday", False), ("dyes", False), ("Not yes.", False), ("I would not say yes.", False),
        ("I can't say yes", False), ("Not sure: yes or no?", False), ("", False), ("Eyes: blue", False),
        ("Yeah", False), ("Correct.", False),
        ("So, I'd say yes.", True), ("My final answer: Yes", True), ("Answer: yes", True), ("Well, yes.", True),
        ("<think>Is it red? no</think>Yes.", True), ("I must say yes.", True), ("The verdict is **yes**.", True),
        ("<think>Is it red? yes</think>", False), ("<think>Yes, it may", False), ("Yes.\nNo.", False),
        ("It is hard to say yes here.", False), ("I'm hesitant to say yes", False), ("Hardly a yes.", False),
        ("Neither yes nor...", False), ("Without more detail a yes would be a guess.", False), ("Unsure: yes?", False),
        ("If the coat was red, the answer would be yes.", False), ("I cant say yes", False), ("Sure, it does.", False),
    ],
)  # fmt: skip
def test_yes_is_read_strictly(reply, yes):
    assert says_yes(reply) is yes


def test_ctgi_walks_to_the_first_yes_asks_and_merges():
    session, seen = begin(QUERY, BASE, replace(PRESETS["ctgi"], k=3, max_questions=2)), []
    while not isinstance(step := session.step(), Done):
        seen.append(type(step).__name__)
        if isinstance(step, Judge):
            assert step.image == [1, 2, 3][step.number]
            session = session.take(Judged(step.image, step.image == 2))
        elif isinstance(step, Ask):
            assert step.image == 2
            assert [question.slot for question in step.questions] == ["lower", "bag"]  # the query names sex and coat
            session = session.take(
                answered(step, "1. She wears blue jeans.\n2. not visible", session.known, session.rules)
            )
        else:
            assert isinstance(step, Merge)
            assert step.texts == (QUERY, "She wears blue jeans.")
            session = session.take(Refined(joined(step.texts)))
    assert seen == ["Judge", "Judge", "Ask", "Merge"]
    assert step.why == "refined"
    assert session.turns[2].dropped == ("not visible\tnot visible",)
    found = session.scores(BASE, similar)
    expected = np.float32(0.8) * BASE + np.float32(1 - 0.8) * similar("a woman in a red coat. She wears blue jeans.")
    expected[2] = 1.0
    assert np.array_equal(found, expected)
    assert ranks_of(found, 2) == 1


def test_without_a_yes_nothing_is_refined():
    session = begin(QUERY, BASE, replace(PRESETS["ctgi"], k=2))
    for image in (1, 2):
        session = session.take(Judged(image, False))
    assert session.step() == Done("no anchor")
    assert np.array_equal(session.scores(BASE, similar), BASE)


@pytest.mark.parametrize(
    ("keys", "yes", "then"),
    [
        ({"xi": 0.5}, True, Done("early stop")),
        ({"xi": 0.7}, True, Ask),
        ({"xi": 0.5}, False, Judge(2, 1)),
        ({"xi": 0.5, "stop_refines": True}, True, Ask),
        ({"xi": 0.9, "xi_scale": "minmax"}, True, Done("early stop")),
        ({"xi": 0.9, "xi_scale": "softmax", "xi_temperature": 0.02}, True, Done("early stop")),
        ({"xi": 0.9, "xi_scale": "softmax", "xi_temperature": 1.0}, True, Ask),
    ],
)
def test_a_sure_search_stops_early_when_the_judge_confirms_it(keys, yes, then):
    step = begin(QUERY, BASE, replace(PRESETS["ctgi"], **keys)).take(Judged(1, yes)).step()
    assert step == then if not isinstance(then, type) else isinstance(step, then)


def test_without_confirmation_a_sure_search_asks_nobody():
    session = begin(QUERY, BASE, replace(PRESETS["ctgi"], xi=0.5, xi_confirm=False))
    assert session.step() == Done("early stop")
    assert session.state.anchor == 1


PERSONS = Rules(answerer="person", rejected="last", max_questions=3)


def test_a_person_answers_one_question_at_a_time_and_the_query_grows():
    session = begin(QUERY, BASE, PERSONS)
    first = session.step()
    assert [question.slot for question in first.questions] == ["lower"]
    assert first.image is None
    session = session.take(answered(first, "I don't know", session.known, session.rules, PERSON))
    assert session.state.answers == ()
    second = session.step()
    assert second.questions[0].slot == "bag"
    session = session.take(answered(second, "a black backpack", session.known, session.rules, PERSON))
    merge = session.step()
    assert merge == Merge((QUERY, "a black backpack"))
    session = session.take(Refined(joined(merge.texts), by="template"))
    assert session.state.refined == "a woman in a red coat. a black backpack."
    assert isinstance(session.step(), Ask)


def test_what_a_person_wrote_is_what_further_answers_are_added_to():
    session = begin(QUERY, BASE, PERSONS)
    session = session.take(answered(session.step(), "blue jeans", session.known, session.rules, PERSON))
    session = session.take(Refined(joined(session.step().texts), by="template"))
    session = session.take(Refined("a man with a beard in a green parka", by=PERSON))
    assert session.known == ("a man with a beard in a green parka",)
    asked = session.step()
    session = session.take(answered(asked, "a black backpack", session.known, session.rules, PERSON))
    assert session.step() == Merge(("a man with a beard in a green parka", "a black backpack"))
    session = session.take(Refined(joined(session.step().texts), by="template"))
    assert session.state.refined == "a man with a beard in a green parka. a black backpack."
    assert session.undo().undo().undo().known == (QUERY, "blue jeans")


def test_what_a_person_wrote_outlasts_the_anchor():
    said = State(anchor=2, answers=(("from memory", None), ("seen on it", 2)), asked=("lower", "bag"), merged=2)
    state = said.rewritten(Refined("a tall man", by=PERSON))
    state = replace(state, answers=(*state.answers, ("seen later", 2), ("remembered later", None)))
    other = state.anchored(1)
    assert other.known(QUERY) == ("a tall man", "remembered later")
    assert (other.refined, other.merged, len(other.answers)) == ("a tall man", 1, 2)
    assert said.anchored(1).known(QUERY) == (QUERY, "from memory")
    assert (said.anchored(1).refined, said.anchored(1).merged) == (None, 0)


def test_a_person_picks_rejects_edits_and_undoes():
    session = begin(QUERY, BASE, PERSONS)
    picked = session.take(Judged(4, True, by=PERSON))
    assert ranks_of(picked.scores(BASE, similar), 4) == 1
    rejected = picked.take(Judged(1, False, by=PERSON))
    assert ranks_of(rejected.scores(BASE, similar), 1) == len(BASE)
    edited = rejected.take(Refined("a man", by=PERSON))
    assert not np.array_equal(edited.scores(BASE, similar), rejected.scores(BASE, similar))
    other = edited.take(Judged(4, False, by=PERSON))
    assert other.state.anchor == -1
    back = other.undo().undo()
    assert back.turns == rejected.turns
    assert np.array_equal(back.scores(BASE, similar), rejected.scores(BASE, similar))
    assert len(back.log) == 6
    assert back.undo().undo().undo().undo().turns == ()


def test_what_was_seen_on_another_anchor_does_not_hold():
    looked = Answered(("bag",), ("?",), ("She carries a red bag.",), image=1)
    remembered = Answered(("shoes",), ("?",), ("She wears boots.",), by=PERSON)
    session = begin(QUERY, BASE, PERSONS).take(Judged(1, True, by=PERSON)).take(looked).take(remembered)
    session = session.take(Refined("all of it")).take(Judged(3, True, by=PERSON))
    assert session.known == (QUERY, "She wears boots.")
    assert session.state.refined is None


def test_an_export_is_played_again_to_the_last_bit(tmp_path):
    session = begin(QUERY, BASE, PERSONS, system="abc")
    for turn in (
        Judged(2, True, by=PERSON),
        Judged(0, False, by=PERSON),
        Refined("a tall woman; “naïve” — \u2028 \x85 ok\n"),
    ):
        session = session.take(turn)
    session = session.undo().take(Refined("a short woman", by=PERSON))
    again = read_session(session.export().splitlines())
    assert again == session
    assert again.export() == session.export()
    assert np.array_equal(again.scores(BASE, similar), session.scores(BASE, similar))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[1:], "is no session of version 1"),
        (lambda lines: [lines[0].replace('"k"', '"kk"'), *lines[1:]], "the head of the session is damaged"),
        (lambda lines: [lines[0].replace('"lam": 0.8', '"lam": 8'), *lines[1:]], "lam is 8, expected a share"),
        (lambda lines: [lines[0].replace('"xi": 0.85', '"xi": {}'), *lines[1:]], "xi is {}, expected a number"),
        (lambda lines: [lines[0].replace('"batched": true', '"batched": 2'), *lines[1:]], "batched is 2"),
        (lambda lines: [lines[0].replace('"scores": [', '"scores": [1, '), *lines[1:]], "as many scores as"),
        (lambda lines: [lines[0].replace('"lowest": ', '"lowest": 1e'), *lines[1:]], "not finite|damaged|:1"),
        (lambda lines: [lines[0], lines[1] + "\udcff"], "session:2"),
        (lambda lines: [lines[0], lines[1].replace('"image": 2', '"image": 9')], "there is no picture 9"),
        (lambda lines: [lines[0], lines[1].replace('"image": 2', '"image": "../x"')], "image is '../x'"),
        (lambda lines: [lines[0], lines[1].replace("judged", "jugded")], "is no turn of a session"),
        (lambda lines: [lines[0], lines[1].replace('"yes": true', '"yes": "no"')], "yes is 'no'"),
        (lambda lines: [lines[0], lines[1].replace('"by": "person"', '"by": "nobody"')], "by is 'nobody'"),
        (lambda lines: [lines[0], '{"turn": "refined", "text": ["a"]}'], r"text is \['a'\]"),
        (lambda lines: [lines[0], '{"turn": "refined", "text": ""}'], "text is ''"),
        (
            lambda lines: [lines[0], '{"turn": "answered", "slots": [], "questions": [], "answers": "hello"}'],
            "answers is 'hello'",
        ),
        (lambda lines: [lines[0], "[]"], "is no JSON object"),
        (lambda lines: [lines[0], "{"], "session:2"),
    ],
)
def test_a_damaged_export_is_refused(change, message):
    lines = begin(QUERY, BASE, PERSONS).take(Judged(2, True, by=PERSON)).export().splitlines()
    with pytest.raises(DataError, match=message):
        read_session(change(lines))


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (Judged(5, True), "no picture 5 in a gallery of 5"), (Judged(-1, True), "no picture -1"),
        (Refined("  "), "is empty"), (Refined("x" * 10_001), "longer than 10000"), (Refined("a\0b"), "NUL"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(turn, message):
    with pytest.raises(DataError, match=message):
        begin(QUERY, BASE, PERSONS).take(turn)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"lam": 1.5}, "lam is 1.5"),
        ({"gate": "blip"}, "gate is 'blip'"),
        ({"k": True}, "k is True"),
    ],
)
def test_rules_out_of_range_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        Rules(**keys)
