"""The contract of interactors: kept by the built-in ones, broken by others, open to a plug-in."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tbpsbench import testing
from tbpsbench.builtins import BUILTINS
from tbpsbench.interaction.base import Interacted, Interactor
from tbpsbench.interaction.play import Spent
from tbpsbench.registry import INTERACTORS, MLLM_CLIENTS


@pytest.fixture(autouse=True)
def toy():
    MLLM_CLIENTS.register("ToyMLLM")(testing.ToyMLLM)
    yield
    MLLM_CLIENTS.remove("ToyMLLM")


@pytest.mark.parametrize("name", BUILTINS["INTERACTORS"])
@pytest.mark.parametrize(
    "options",
    [{}, {"preset": "icl"}, {"answerer": "witness"}, {"answerer": "oracle"}, {"batched": False, "template": True}],
    ids=str,
)
def test_interactor(name, options):
    found = testing.check_interactor({"type": name, "mllm": {"type": "ToyMLLM"}, **options})
    assert (found.anchors >= 0).any() or options.get("answerer")


class Shy(Interactor):
    """A plug-in's: it asks nobody, and moves the first candidate down a little."""

    ablations = ()

    def interact(self, scene, forced):
        count = len(scene.texts)
        first = scene.scores(0, count).argmax(dim=1)

        def scores(start, stop):
            found = scene.scores(start, stop).clone()
            found[torch.arange(stop - start), first[start:stop]] -= 0.01
            return found

        return Interacted(
            scores, [scores], np.full(count, -1), first[:, None].numpy(), [Spent() for _ in range(count)]
        ), {}


@pytest.fixture
def register():
    """A function that registers an interactor for the length of a test."""
    names = []

    def enter(cls):
        names.append(cls.__name__)
        INTERACTORS.register(cls.__name__)(cls)
        return {"type": cls.__name__}

    yield enter
    for name in names:
        INTERACTORS.remove(name)


def test_a_plug_in_can_add_one(register):
    testing.check_interactor(register(Shy))


def broken(change, **attributes):
    """A `Shy` whose outcome is changed."""

    class Broken(Shy):
        """Not what was promised."""

        def interact(self, scene, forced):
            found, others = super().interact(scene, forced)
            return change(scene, found), others

    for name, value in attributes.items():
        setattr(Broken, name, value)
    return Broken


def in_place(scene, found):
    scene.scores(0, 2).add_(1)
    return found


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (broken(lambda s, f: f, answerer="butler"), "answerer is 'butler', expected one of"),
        (broken(lambda s, f: f, ablations=("no judge",)), r"ablations name \['no judge'\]"),
        (broken(lambda s, f: f, answerer="oracle"), "a ConfigError was expected; it went on"),
        (broken(in_place), "changed in place, expected new ones"),
        (broken(lambda s, f: replace(f, rounds=[])), "there is no round"),
        (broken(lambda s, f: replace(f, rounds=[s.scores])), "the last round's scores are not the final ones"),
        (broken(lambda s, f: replace(f, anchors=f.anchors + 99)), "anchors are"),
        (broken(lambda s, f: replace(f, candidates=f.anchors)), "candidates have the shape"),
        (broken(lambda s, f: replace(f, spent=[])), "spent has 0 entries"),
        (broken(lambda s, f: replace(f, budgets={"few": f.scores})), "'few' is none of what was expected: an ablation"),
        (broken(lambda s, f: replace(f, scores=lambda a, b: f.scores(a, b) / 0)), "a score is not finite"),
        (broken(lambda s, f: f, describe=lambda self: [{1j}]), "describe gives what JSON cannot hold"),
    ],
)
def test_broken_interactor_is_caught(register, cls, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_interactor(register(cls))
