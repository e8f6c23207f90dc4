"""A model beside the person: it judges and answers when it is asked to, and the search goes on without it."""

import re

import pytest
from app_person import tokens

from tbpsbench.app.assistant import JUDGED_AT_ONCE, Assistant, ChatConfig

VAGUE = "a person"


@pytest.fixture
def simulated(mini):
    def make(**settings):
        budget = settings.pop("budget", None)
        component = {"type": "Simulated", "annotations": [str(mini / "tiny-0" / "human.jsonl")], **settings}
        return Assistant(ChatConfig(component, budget=budget), "chat.py")

    return make


def test_the_model_picks_a_picture_answers_about_it_and_can_be_undone(person, simulated):
    someone = person(assistant=simulated())
    page = someone.post("/search", query=VAGUE)
    assert "Let the model look" in page.text
    after = someone.post("/look")
    assert after.status_code == 200, after.text
    assert "Marked as the person" in after.text, "everybody is a person"
    assert re.search(r'<span class="who">Model</span>', after.text)
    said = re.search(r'<textarea id="refined"[^>]*>(.*?)</textarea>', after.text, re.DOTALL)[1]
    assert len(said) > len(VAGUE) + 20
    undone = someone.post("/undo")
    assert tokens(undone.text) == tokens(page.text)
    assert '<span class="who">Model</span>' not in undone.text


def test_a_model_that_finds_nobody_judges_a_few_at_a_time(person, simulated):
    someone = person(assistant=simulated(misjudged=1.0))
    someone.post("/search", query=VAGUE)
    after = someone.post("/look")
    assert after.text.count("Not this one</li>") + after.text.count('<span class="who">Model</span>') >= JUDGED_AT_ONCE
    again = someone.post("/look")
    assert again.text.count('<span class="who">Model</span>') > after.text.count('<span class="who">Model</span>')


def test_the_search_goes_on_when_the_budget_is_reached(person, simulated):
    someone = person(assistant=simulated(budget={"calls": 1}))
    page = someone.post("/search", query=VAGUE)
    after = someone.post("/look")
    assert after.status_code == 422
    assert "could not go on" in after.text
    assert "budget" in after.text
    slot = re.search(r'name="slot" value="([^"]*)"', page.text)[1]
    assert someone.post("/answer", slot=slot, answer="She wears a red coat").status_code == 200


def test_without_a_model_there_is_no_button(person):
    someone = person()
    assert "Let the model look" not in someone.post("/search", query=VAGUE).text
    assert someone.post("/look").status_code == 422


def test_a_model_that_is_not_there_stops_the_start(simulated, tmp_path):
    import asyncio

    assistant = Assistant(ChatConfig({"type": "Simulated", "annotations": [str(tmp_path / "none.jsonl")]}), "chat.py")
    with pytest.raises(Exception, match=r"none\.jsonl"):
        asyncio.run(assistant.open())
