"""MTG asks about what is known least, keeps what adds something, and merges it."""

import pytest

from tbpsbench.captions.ask import Decoding
from tbpsbench.captions.mtg import MTG, coverage, least_covered
from tbpsbench.captions.reading import read
from tbpsbench.captions.slots import SLOTS, questions_for
from tbpsbench.errors import ConfigError, StorageError
from tbpsbench.mllm.errors import ItemError, StopRun

STATIC = "A young man with short brown hair wears a red T-shirt, blue jeans and white sneakers."


def test_eight_calls_for_an_image_as_in_the_paper(caption):
    outcome, records, failures, asked = caption(MTG(rounds=6, kindred=False))
    assert (outcome.made, outcome.failed, outcome.stopped, failures) == (4, 0, None, [])
    assert len(asked) == 4 * 8
    kinds = [request.task for request in asked if request.pictures[:1] == asked[0].pictures or request.task == "merge"]
    assert kinds.count("answer") == 6
    for request in asked:
        assert bool(request.pictures) == (request.task != "merge")
    for record in records:
        (text,) = record["texts"]
        assert (text["role"], text["valid"]["ok"]) == ("query", True)
        assert len(record["qa"]) == 6
        assert len({turn["slot"] for turn in record["qa"]}) == 6
        assert all(turn["kept"] or turn["drop_reason"] for turn in record["qa"])
        for turn in record["qa"]:
            assert (turn["a"] in text["text"]) or not turn["kept"]
        assert record["usage"]["calls"] == record["usage"]["answers"] == 8
        assert set(record["prompts"]) == {"static", "question", "reconstruct"}
        assert len(record["image_sha256"]) == 64


def test_batched_takes_three_calls_and_says_the_same(caption):
    one = caption(MTG(kindred=False))[1]
    outcome, records, _, asked = caption(MTG(kindred=False, batched=True), folder="batched")
    assert outcome.made == 4
    assert [request.task for request in asked].count("answer") == 4
    assert len(asked) == 4 * 3
    for single, batched in zip(
        sorted(one, key=lambda r: r["image_id"]), sorted(records, key=lambda r: r["image_id"]), strict=True
    ):
        assert len(batched["qa"]) == 6
        # The pool changes with what answers tell besides what was asked; the first question is the same.
        assert single["qa"][0] == batched["qa"][0]


def test_batched_drops_an_answer_that_refuses(caption):
    said = "1. I'm sorry, but I can't help with identifying people.\n2. The person wears black shoes."
    _, records, *_ = caption(MTG(batched=True), replies={"questions": said})
    first = records[0]["qa"][0]
    assert (first["kept"], first["drop_reason"][:7]) == (False, "unsound")
    assert "sorry" not in records[0]["texts"][0]["text"]


def test_no_rounds_leave_the_static_caption(caption):
    _, records, _, asked = caption(MTG(rounds=0))
    assert len(asked) == 4
    assert "qa" not in records[0]


def test_the_slot_that_is_known_least_is_asked_about():
    pool = questions_for([SLOTS[name] for name in ("upper", "lower", "bag", "shoes", "sex")], kindred=True)
    facts = read("A man in a red T-shirt and jeans.")
    assert coverage("sex", facts) == 1
    assert coverage("upper", facts) == pytest.approx(2 / 3)
    assert coverage("lower", facts) == 0.5
    assert [slot.name for slot in _order(pool, facts)] == ["bag", "shoes", "lower", "upper"]
    assert coverage("hat", read("He wears no hat.")) == 1


def _order(pool, facts):
    found = []
    while slot := least_covered(pool, facts, [one.name for one in found]):
        found.append(slot)
    return found


def test_dropped_answers_do_not_come_into_the_caption(caption):
    answers = {
        "bag": "not visible", "held": "No, nothing.", "hat": "A red T-shirt.", "glasses": "The person is a woman.",
        "age": "I'm sorry, I cannot help with that.", "build": "A tall, slim person.",
    }  # fmt: skip
    _, (record,), _, asked = caption(
        MTG(slots=tuple(answers), kindred=False), images=1,
        replies={"static": STATIC, "question": lambda request: answers[request.topic[0]]},
    )  # fmt: skip
    reasons = {turn["slot"]: turn["drop_reason"] for turn in record["qa"]}
    assert reasons == {
        "bag": "not visible", "held": "absent", "hat": "repeated", "glasses": "contradicts", "build": None,
    } | ({"age": reasons["age"]} if "age" in reasons else {})  # fmt: skip
    merge = asked[-1]
    assert merge.texts == (STATIC, "A tall, slim person.")
    assert "A: A tall, slim person." in merge.messages[0].text
    assert "not visible" not in merge.messages[0].text


def test_kindred_slots_share_a_question_and_each_sentence_is_judged(caption):
    answers = {
        "bag+held": "A black backpack. No object in the hands.", "hat+glasses": "not visible",
        "age+build": "An elderly person. The person is a woman.",
    }  # fmt: skip
    slots = ("bag", "held", "hat", "glasses", "age", "build")
    _, (record,), _, asked = caption(
        MTG(rounds=3, slots=slots), images=1,
        replies={"static": STATIC, "question": lambda request: answers[request.topic[0]]},
    )  # fmt: skip
    assert [(turn["slot"], turn["drop_reason"]) for turn in record["qa"]] == [
        ("bag+held", None), ("hat+glasses", "not visible"), ("age+build", None)
    ]  # fmt: skip
    assert asked[-1].texts == (STATIC, "A black backpack.", "An elderly person.")


def test_a_slot_whose_kin_is_not_asked_about_has_its_own_question():
    names = [question.name for question in MTG(slots=("bag", "hat", "glasses")).pool]
    assert names == ["hat+glasses", "bag"]
    assert [question.name for question in MTG(slots=("bag", "held"), kindred=False).pool] == ["bag", "held"]


def test_an_answer_that_is_none_is_asked_for_again(caption):
    def reply(request):
        return "<think>Hm.</think> I'm sorry." if request.attempt == 0 else "A black backpack."

    _, (record,), _, asked = caption(
        MTG(rounds=1, slots=("bag",)), images=1, replies={"static": STATIC, "question": reply}
    )
    assert record["qa"][0]["kept"]
    assert [request.attempt for request in asked if request.task == "answer"] == [0, 1]
    assert [r.temperature for r in asked if r.task == "answer"] == [0.01, 0.7]


def test_answers_that_fit_the_image_less_than_the_caption_are_dropped(caption):
    source = MTG(rounds=2, slots=("bag", "hat"), margin=0.1)
    source.scorer = lambda path, texts: [0.3 if "cap" in texts[0] else 0.45, 0.5]
    answers = {"bag": "A black backpack.", "hat": "A blue cap."}
    _, (record,), _, _ = caption(
        source, images=1, replies={"static": STATIC, "question": lambda request: answers[request.topic[0]]}
    )
    assert [turn["drop_reason"] for turn in record["qa"]] == [None, "does not fit the image"]
    assert record["qa"][1]["score"] == {"answer": 0.3, "static": 0.5}


def test_a_caption_that_stays_unsound_fails_its_image_alone(caption):
    bad = {"reconstruct": lambda request: "As an AI I cannot." if "man" in request.texts[0].split() else None}
    outcome, records, failures, asked = caption(MTG(), images=8, replies=bad)
    assert outcome.made == len(records) > 0
    assert outcome.failed == len(failures) > 0
    for failure in failures:
        assert failure["what"] == "caption"
        assert failure["reason"] == "short"
        assert any(reason.startswith("refusal") for reason in failure["reasons"])
        assert failure["attempts"] == 3
        assert failure["text"] == "As an AI I cannot."
    merges = [request for request in asked if request.task == "merge"]
    assert len(merges) == len(records) + 3 * len(failures)


def test_permissive_keeps_what_is_unsound_and_says_so(caption):
    nonsense = "qq ww\nee <b>"
    replies = dict.fromkeys(("static", "question", "reconstruct"), nonsense)
    outcome, records, failures, _ = caption(MTG(), replies=replies, decoding=Decoding(validation="permissive"))
    assert (outcome.made, failures) == (4, [])
    (text,) = records[0]["texts"]
    assert text["text"] == "qq ww ee <b>"
    assert not text["valid"]["ok"]
    outcome, _, failures, _ = caption(MTG(), replies=replies, folder="strict")
    assert (outcome.made, len(failures)) == (0, 4)


def test_an_image_that_a_server_refuses_fails_alone(caption):
    seen = []

    def reply(request):
        seen.append(request)
        return ItemError("refused", "content_filter", retry_later=False) if len(seen) == 1 else None

    outcome, _, failures, _ = caption(MTG(rounds=0), replies={"static": reply}, at_once=1)
    assert (outcome.made, outcome.reasons) == (3, {"refused": 1})
    assert failures[0]["detail"] == "content_filter"


@pytest.mark.parametrize("error", [StopRun("wrong key", "Set it."), StorageError("cannot write: the disk is full")])
def test_what_stops_a_run_keeps_what_was_finished(caption, error):
    count = [0]

    def reply(_):
        count[0] += 1
        return error if count[0] > 2 else None

    outcome, records, failures, _ = caption(MTG(rounds=0), images=6, replies={"static": reply}, at_once=2)
    assert outcome.stopped is error
    assert len(records) == outcome.made == 2
    assert failures == []  # nothing is the image's fault
    outcome, records, _, asked = caption(MTG(rounds=0), images=6)
    assert (outcome.made, len(records), len(asked)) == (4, 6, 4)


def test_arguments_that_make_no_sense():
    with pytest.raises(ConfigError, match=r"no slot is called 'shoe'. Did you mean 'shoes'"):
        MTG(slots=("shoe",))
    with pytest.raises(ValueError, match="rounds=-1"):
        MTG(rounds=-1)
    with pytest.raises(ValueError, match="without a folder"):
        MTG(name="a/b")
