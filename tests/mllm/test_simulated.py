"""The simulated model says what is stored, errs as often as it is told to, and says so."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.captions.validate import Rules, check
from tbpsbench.errors import DataError
from tbpsbench.minipedes.simulate import OPTIONS
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Message, Picture, Request
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.mllm.sayings import merged
from tbpsbench.mllm.sight import SLOTS, Sight
from tbpsbench.mllm.simulated import Simulated


@pytest.fixture(scope="module")
def people(mini):
    """The annotations of a tiny MiniPEDES."""
    return read_annotations(next(Path(mini).glob("*/human.jsonl")))


def about(people, number, **options):
    shown = (read_picture(people.image_root / people.records[number].file),)
    return Request((Message("user", "?", shown),), max_tokens=99, temperature=0.0, **options)


def said(people, *requests, **options):
    async def main():
        async with Simulated(str(people.path), **options) as client:
            return [(await client.ask(request)).text for request in requests]

    return asyncio.run(main())


def test_answers_name_the_stored_values_and_nothing_else(people):
    """Slot by slot, what an image shows is said, and what it does not show is not."""
    for number, record in enumerate(people.records[:12]):
        visible = set(record.attributes["visible"])
        asked = {slot: about(people, number, task="answer", topic=(slot,)) for slot in SLOTS if slot != "action"}
        for slot, text in zip(asked, said(people, *asked.values()), strict=True):
            values = [record.attributes[name] for name in SLOTS[slot] if name in visible]
            if not values:
                assert text == "not visible"
            for value in values:
                words = value.replace("long skirt", "skirt").replace("short skirt", "miniskirt").split()
                if value not in ("plain", "none"):
                    assert all(word.lower() in text.lower() for word in words), (slot, value, text)


def test_several_questions_are_answered_by_number(people):
    text = said(people, about(people, 0, task="answer", topic=("sex", "shoes", "nothing of the kind")))[0]
    lines = text.split("\n")
    assert [line.split(".")[0] for line in lines] == ["1", "2", "3"]
    assert lines[2] == "3. not visible"


def test_caption_leaves_out_as_much_as_it_is_told(people):
    def mentioned(unsaid):
        texts = said(people, *(about(people, n) for n in range(20)), unsaid=unsaid)
        return sum(len(text.split()) for text in texts)

    whole, some, nothing = (mentioned(unsaid) for unsaid in (0.0, 0.5, 1.0))
    assert whole > 1.3 * some > 1.3 * nothing


def test_identity_and_clothing_descriptions_keep_apart(people):
    sides = [("sex", "age", "build", "hair", "skin", "beard"), ("upper", "lower", "shoes", "bag", "hat", "glasses")]
    who, worn = said(people, *(about(people, 0, task="dual", topic=side) for side in sides))
    assert "hair" in who or "man" in who
    assert not set(worn.lower().rstrip(".").split()) & {"man", "woman", "hair", "tall", "slim"}


def test_style_prompts_lead_to_different_captions(people):
    prompts = [f"Write in the style number {n}" for n in range(8)]
    texts = said(people, *(about(people, 0, texts=(prompt,)) for prompt in prompts))
    assert len(set(texts)) > 3
    assert texts == said(people, *(about(people, 0, texts=(prompt,)) for prompt in prompts))


SIDED = {"identity": ("sex", "age", "build", "hair", "skin", "beard"), "clothing": ("upper", "lower", "shoes", "bag")}


def test_descriptions_of_one_side_are_written_in_the_style_and_keep_apart(people):
    prompts = ["", *(f"Write in the style number {n}" for n in range(30))]
    for side, topic in SIDED.items():
        rules = Rules(2, min_slots=1, about_picture=True, sentences=False, side=side)
        asked = [about(people, n, task="dual", topic=topic, texts=(prompt,)) for prompt in prompts for n in range(6)]
        texts = said(people, *asked)
        assert {(reason, text) for text in texts for reason in check(text, rules).reasons} == set()
        assert len({texts[row] for row in range(0, len(texts), 6)}) > 12  # of one image
        assert texts == said(people, *asked)


def test_merging_keeps_what_is_new():
    texts = ("A woman in a coat.", "The person wears a red coat.", "not visible", "The person wears a coat.")
    assert merged(texts) == "A woman in a coat. She wears a red coat."
    assert merged(("A person.", "The person is tall.")) == "A person. The person is tall."


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_errs_as_often_as_it_is_told_to(people, rate):
    names = tuple(OPTIONS)
    right = wrong = absent = invented = hidden = 0
    for record in people.records:
        facts = Sight(rate, 0.0, 0.0, 0).look(record.attributes, record.file, "answer", names, 0.0).values
        fewer = Sight(0.0, rate, rate, 0).look(record.attributes, record.file, "answer", names, rate).values
        for name in record.attributes["visible"]:
            right += facts.get(name) == record.attributes[name]
            wrong += name in facts and facts[name] != record.attributes[name]
            absent += name not in fewer
        away = {"beard", "bag", "hat", "glasses", "carried"} - set(record.attributes["visible"])
        invented += sum(name in fewer for name in away)
        hidden += len(away)
    assert wrong / (right + wrong) == pytest.approx(rate, abs=0.04)
    assert absent / (right + wrong) == pytest.approx(rate, abs=0.04)
    assert invented / hidden == pytest.approx(rate, abs=0.08)


def test_what_is_wrong_at_a_low_rate_is_wrong_alike_at_a_higher_one(people):
    record = people.records[0]
    low, high = (
        Sight(rate, 0.0, 0.0, 0).look(record.attributes, record.file, "answer", tuple(OPTIONS), 0.0).values
        for rate in (0.2, 0.6)
    )
    changed = {name: value for name, value in low.items() if value != record.attributes[name]}
    assert changed.items() <= high.items()


def test_every_kind_of_question_gets_a_sentence_whatever_is_not_seen(people):
    """Grammars trip over facts that are half there: none of these fails, whatever is overlooked, wrong or invented."""
    kinds = [
        {"task": "caption"}, {"task": "caption", "texts": ("a list",)}, {"task": "caption", "texts": ("brief",)},
        {"task": "dual", "topic": ("upper", "bag")}, {"task": "dual", "topic": ("sex",)},
        {"task": "answer", "topic": tuple(SLOTS)},
    ]  # fmt: skip
    requests = [about(people, n, **kind) for n in range(len(people.records)) for kind in kinds]
    for seed in range(3):
        texts = said(people, *requests, wrong=0.5, missing=0.4, invented=0.5, seed=seed)
        assert all(len(text) > 3 for text in texts)


def test_says_that_it_is_simulated_and_how_it_errs(people):
    client = Simulated(str(people.path), wrong=0.1, missing=0.2, invented=0.05, seed=3)
    about_it = client.describe()
    assert about_it["simulated"] == {"wrong": 0.1, "missing": 0.2, "invented": 0.05, "seed": 3, "unsaid": 0.4}
    assert client.name == "simulated-wrong0.1-missing0.2-invented0.05-unsaid0.4-seed3"
    assert client.simulated
    json.dumps(about_it)


def test_what_it_cannot_do(people, tmp_path):
    with pytest.raises(ItemError, match="is no image of"):
        said(people, Request((Message("user", "?", (Picture(b"1"),)),), 9, 0.0))
    with pytest.raises(StopRun, match=r"no answer to a question of the kind 'mask'.*masker=None"):
        said(people, replace(about(people, 0), task="mask"))
    with pytest.raises(ValueError, match=r"wrong is 1.5, expected a share"):
        Simulated(str(people.path), wrong=1.5)
    lines = [json.loads(line) for line in people.path.read_text().splitlines()]
    (tmp_path / "plain.jsonl").write_text("\n".join(json.dumps({**line, "attributes": {}}) for line in lines))
    with pytest.raises(DataError, match="has no attributes to answer from: Simulated knows MiniPEDES alone"):
        asyncio.run(Simulated(str(tmp_path / "plain.jsonl")).probe())
