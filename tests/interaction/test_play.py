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
from tbpsbench.mllm.base import Capabilities
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


def test_what_is_no_text_or_far_too_long_is_no_answer():
    session, spent, _ = played(
        Scripted(judge="Yes", answer="1. She wears\0 blue jeans.\n2. \ud800", merge="A\0 woman.")
    )
    assert session.turns[1].answers == ("She wears blue jeans.",)
    assert session.state.refined == "A woman."
    session, spent, _ = played(Scripted(judge="Yes", answer="1. She wears blue jeans.", merge="word " * 3000))
    assert (session.state.refined, spent.failed) == ("a woman in a red coat. She wears blue jeans.", 1)


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't help with identifying people.",
        "As an AI, I do not merge.",
        "<think>a query",
        "I cannot assist.",
    ],
)
def test_a_refusal_or_thoughts_become_no_query_and_no_answer(said):
    session, spent, _ = played(Scripted(judge="Yes", answer="1. She wears blue jeans.", merge=said))
    assert (session.turns[-1].by, session.state.refined) == ("template", "a woman in a red coat. She wears blue jeans.")
    assert spent.failed == 1
    session, *_ = played(Scripted(judge="Yes", answer=said, merge="x"), replace(RULES, batched=False))
    assert session.turns[1].answers == ()
    assert session.turns[1].dropped[0].endswith(("\trefusal", "\treasoning"))


def test_what_a_model_does_not_see_is_an_answer_all_the_same():
    said = "I don't see a bag, but she wears blue jeans."
    session, *_ = played(Scripted(judge="Yes", answer=said, merge="x"), replace(RULES, batched=False))
    assert said in session.turns[1].answers + tuple(line.partition("\t")[0] for line in session.turns[1].dropped)
    assert not any(line.endswith("refusal") for line in session.turns[1].dropped)


def test_a_new_query_that_was_cut_off_is_none():
    class Cut(Scripted):
        async def ask(self, request):
            reply = await super().ask(request)
            return replace(reply, finish_reason="length") if request.task == "merge" else reply

    session, spent, _ = played(Cut(judge="Yes", answer="1. She wears blue jeans.", merge="A woman in"))
    assert (session.turns[-1].by, spent.failed) == ("template", 1)


def test_a_request_that_fails_costs_what_it_cost():
    broken = ItemError("bad-reply", "no")
    broken.used, broken.calls = (70, 5), 3
    _, spent, _ = played(Scripted(judge=broken))
    assert (spent.prompt_tokens, spent.completion_tokens, spent.sent) == (3 * 70, 3 * 5, 3 * 3)
    assert spent.usd == pytest.approx(3 * (70 + 2 * 5) / 1e6)


@pytest.fixture
def named():
    """Register a client of this class for a test; returns its component."""
    names = []

    def register(cls, name):
        MLLM_CLIENTS.register(name)(type(name, (cls,), {"__doc__": "For a test."}))
        names.append(name)
        return {"type": name}

    yield register
    for name in names:
        MLLM_CLIENTS.remove(name)


def test_a_model_that_sees_nothing_stops_the_run(named):
    class Blind(ToyMLLM):
        async def probe(self):
            return Capabilities(images=False)

    blind, sees = named(Blind, "Blind"), named(ToyMLLM, "Sees")
    with pytest.raises(StopRun, match=r"takes no images\. Name a multimodal model in evaluation\.interactor\.mllm"):
        MTI(mllm=blind).interact(toy_scene(), {})
    with pytest.raises(StopRun, match=r"evaluation\.interactor\.judge"):
        MTI(mllm=sees, judge=blind).interact(toy_scene(), {})
    MTI(mllm=sees, reconstructor=blind).interact(toy_scene(), {})
    MTI(mllm=blind, answerer="witness").interact(toy_scene(known=True), {})


def test_an_evaluation_in_which_nothing_was_answered_stops(named):
    class Mute(ToyMLLM):
        async def ask(self, request):
            raise ItemError("bad-image", "no")

    with pytest.raises(StopRun, match=r"none of \d+ requests brought an answer"):
        MTI(mllm=named(Mute, "Mute")).interact(toy_scene(), {})


def test_an_ablation_and_a_further_protocol_get_the_replies_of_the_method(named):
    class Fickle(ToyMLLM):
        """Never says the same again."""

        asked = 0

        def _said(self, request):
            type(self).asked += 1
            return "Yes" if request.task == "judge" else f"1. A bag of kind {type(self).asked}."

    interactor = MTI(mllm=named(Fickle, "Fickle"), k=1, lam=0.0, xi=1.0, anchor_mode="soft")
    scene = toy_scene()
    count = len(scene.texts)
    first = {"rank 1 as anchor": lambda candidates: candidates[:, 0]}
    method, beside = interactor.interact(scene, first)
    assert (method.scores(0, count) == beside["rank 1 as anchor"].scores(0, count)).all()
    again, _ = interactor.interact(scene, {})
    assert (again.scores(0, count) == method.scores(0, count)).all()
    assert sum(spent.sent for spent in again.spent) == 0


def test_a_budget_is_of_the_whole_evaluation(named, tmp_path):
    interactor = MTI(mllm=named(ToyMLLM, "Paid"), budget={"calls": 10**6}, cache=str(tmp_path / "replies.sqlite"))
    interactor.interact(toy_scene(), {})
    spent = interactor._models.meter.spent.calls
    interactor.interact(toy_scene(seed=1), {})
    assert interactor._models.meter.spent.calls > spent > 0


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
        ({"budgets": 5}, "budgets are 5, expected numbers of calls"),
        ({"budget": 5}, "budget is 5, expected some of"),
        ({"budget": {"calls": 5}}, "a budget without a cache"),
        ({"cache": "one", "recording": "one"}, "cache and recording are both 'one'"),
        ({"budget": {"euro": 1}}, r"expected some of: dict\(calls"),
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
