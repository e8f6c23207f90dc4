"""Models in a session: what they are asked and shown, what a failure does, and what it all costs."""

import asyncio
from dataclasses import fields, replace

import numpy as np
import pytest

from tbpsbench.interaction.base import Scene
from tbpsbench.interaction.mti import MTI
from tbpsbench.interaction.play import Cast, Spent, play
from tbpsbench.interaction.rules import PRESETS
from tbpsbench.interaction.session import begin
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.meter import Price
from tbpsbench.registry import MLLM_CLIENTS
from tbpsbench.testing import ToyMLLM, toy_picture, toy_scene

BASE = np.array([0.1, 0.6, 0.5], np.float32)
RULES = replace(PRESETS["ctgi"], max_questions=2)


class Scripted(ToyMLLM):
    """Says what it is told to, by the kind of question; an exception is raised."""

    price = Price(1.0, 2.0)

    def __init__(self, **replies):
        super().__init__()
        self.replies, self.seen = replies, []

    async def ask(self, request):
        self.seen.append(request)
        return await super().ask(request)

    def _said(self, request):
        said = self.replies[request.task]
        if isinstance(said, Exception):
            raise said
        return said


def played(client, rules=RULES, **cast):
    spent = Spent()
    shown = [toy_picture(shade) for shade in (10, 20, 30)]
    session = begin("a woman in a red coat", BASE, rules)
    return asyncio.run(play(session, Cast(client, client, client, **cast), lambda n: shown[n], spent)), spent, shown


def test_each_is_asked_with_the_right_picture_and_nothing_that_names_anybody():
    client = Scripted(judge="Yes", answer="1. She wears blue jeans.\n2. A black backpack.", merge="A woman in jeans.")
    session, spent, shown = played(client)
    assert [request.task for request in client.seen] == ["judge", "answer", "merge"]
    assert [request.pictures for request in client.seen] == [(shown[1],), (shown[1],), ()]
    assert session.state.refined == "A woman in jeans."
    assert client.seen[2].texts == ("a woman in a red coat", "She wears blue jeans.", "A black backpack.")
    assert "a woman in a red coat" in client.seen[0].messages[0].text
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens, spent.sent) == ([1, 1, 1], 3, 3, 3)
    assert spent.usd == pytest.approx(3 * (1 + 2) / 1e6)
    assert {one.name for one in fields(Scene)} == {"texts", "images", "scores", "similar", "picture", "target"}


def test_a_request_that_fails_is_a_no_or_no_answer_and_a_template_stands_in():
    broken = ItemError("refused", "no")
    session, spent, _ = played(Scripted(judge=broken))
    assert (session.state.anchor, spent.failed, len(spent.calls)) == (-1, 3, 3)
    session, spent, _ = played(Scripted(judge="Yes", answer=broken))
    assert (session.state.anchor, session.state.refined, spent.failed) == (1, None, 1)
    session, _, _ = played(Scripted(judge="Yes", answer="1. She wears blue jeans.", merge=broken))
    assert session.state.refined == "a woman in a red coat. She wears blue jeans."
    assert session.turns[-1].by == "template"


def test_one_call_for_each_question_where_they_are_not_put_together():
    client = Scripted(judge="Yes", answer="It is a red bag.", merge="All.")
    session, spent, _ = played(client, replace(RULES, batched=False))
    assert [request.task for request in client.seen] == ["judge", "answer", "answer", "merge"]
    assert len(spent.calls) == 4
    assert session.turns[2].dropped == ("It is a red bag.\trepeated",)


def test_a_witness_remembers_and_sees_nothing():
    client = Scripted(answer="She wears boots.", merge="A woman in boots.")
    session, _, _ = played(client, replace(RULES, answerer="witness"), memory="A woman with boots.")
    assert [request.task for request in client.seen] == ["answer", "merge", "answer"]
    assert all(not request.pictures for request in client.seen)
    assert "A woman with boots." in client.seen[0].messages[0].text
    assert session.state.anchor == -1


def test_a_model_that_cannot_be_asked_any_more_stops_the_run():
    MLLM_CLIENTS.register("Stopped")(type("Stopped", (Scripted,), {"__doc__": "Stops.", "__init__": _stopped}))
    try:
        with pytest.raises(StopRun, match=r"The account is empty\. Add credit\."):
            MTI(mllm={"type": "Stopped"}).interact(toy_scene(), {})
    finally:
        MLLM_CLIENTS.remove("Stopped")


def _stopped(self):
    Scripted.__init__(self, judge=StopRun("The account is empty", "Add credit."))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"preset": "ctgl"}, "preset is 'ctgl'"),
        ({"answerer": "person"}, "nobody sits at an evaluation"),
        ({"template": True, "reconstructor": {"type": "X"}}, "leave one out"),
        ({"ablations": ("judge",)}, "ablations has 'judge'"),
        ({"budgets": (0,)}, "numbers of calls, 1 or more"),
        ({"budget": {"euro": 1}}, "expected some of: calls, tokens, usd"),
    ],
)
def test_arguments_that_cannot_be_meant(keys, message):
    with pytest.raises(ValueError, match=message):
        MTI(**keys)


def test_a_budget_cuts_every_dialogue_where_it_is_spent():
    MLLM_CLIENTS.register("ToyMLLM")(ToyMLLM)
    try:
        scene = toy_scene()
        found, _ = MTI(mllm={"type": "ToyMLLM"}, budgets=(1, 3, 99)).interact(scene, {})
    finally:
        MLLM_CLIENTS.remove("ToyMLLM")
    count = len(scene.texts)
    assert (found.budgets[99](0, count) == found.scores(0, count)).all()
    for row, (session, spent) in enumerate(zip(found.sessions, found.spent, strict=True)):
        for calls in (1, 3):
            cut = session.at(min(calls, len(session.turns)))
            texts = [cut.state.refined or session.query]
            expected = cut.scores(
                scene.scores(row, row + 1)[0].numpy(), lambda _, t=texts: scene.similar(t)(np.array([0]))[0]
            )
            assert np.allclose(found.budgets[calls](row, row + 1)[0], expected)
        assert sum(spent.calls) == len(session.turns)
