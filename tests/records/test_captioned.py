"""A record says of generated texts who wrote them, with which prompts, and how often a simulation erred."""

import copy

import pytest

from tbpsbench.records.badges import SIMULATED_CAPTIONS, simulated, simulated_captions
from tbpsbench.records.captioned import captioner_problems, is_generated, shown_captioner

SOURCE = {
    "role": "training",
    "source": "mtg",
    "file": "mtg.jsonl",
    "sha256": "0" * 64,
    "made_from": {
        "captioner": {"source": "mtg", "models": {"mllm": "simulated-wrong0.1"}, "prompts": {"static": "8b8a392f"}}
    },
    "notes": {"simulated": {"mllm": {"wrong": 0.1, "missing": 0.0}}},
}


def problems(**changes):
    source = copy.deepcopy(SOURCE)
    for key, value in changes.items():
        place = source["notes"] if key == "simulated" else source["made_from"]["captioner"]
        place[key] = value
    return list(captioner_problems(source))


def test_a_whole_source():
    assert is_generated(SOURCE)
    assert problems() == []
    assert problems(models={"mllm": "Qwen/Qwen2-VL-7B-Instruct"}, simulated=None) == []
    assert shown_captioner(SOURCE) == "mtg by simulated-wrong0.1"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"source": ""}, "names no caption source"),
        ({"models": {}}, "names no model"),
        ({"models": {"mllm": 3}}, "names no model"),
        ({"prompts": {}}, "names no versions of its prompts"),
        ({"prompts": {"static": "new"}}, "names no versions of its prompts"),
        ({"simulated": None}, "does not tell the error rates"),
        ({"simulated": {"mllm": {"wrong": 0.1}}}, "does not tell the error rates"),
        ({"simulated": True}, "does not tell the error rates"),
    ],
)
def test_what_is_left_unsaid(changes, problem):
    assert [problem in found for found in problems(**changes)] == [True]


def test_what_no_model_wrote_owes_nothing():
    for made_from in ({}, {"seed": 0}, {"describer": {}}):
        assert list(captioner_problems({**SOURCE, "made_from": made_from})) == []
        assert shown_captioner({**SOURCE, "made_from": made_from}) == ""
    (problem,) = captioner_problems({**SOURCE, "made_from": {"captioner": 3}})
    assert "expected an object" in problem


def test_simulated_training_captions_have_a_badge_of_their_own():
    record = {"data": {"sources": [{"role": "captions", "made_from": {}, "notes": {}}, SOURCE]}}
    assert simulated_captions(record)
    assert not simulated(record)
    assert SIMULATED_CAPTIONS == "simulated captions"
    record["data"]["sources"][1] = {**SOURCE, "role": "descriptions"}
    assert simulated(record)
    assert not simulated_captions(record)
