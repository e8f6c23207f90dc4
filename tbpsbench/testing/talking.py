"""The contract of interactors, a toy scene for them, and a model that answers by the shade of a picture.

Shapes: Q queries, G gallery, K candidates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.errors import ConfigError
from tbpsbench.interaction.base import ABLATIONS, Blocks, Interacted, Interactor, Scene, Target
from tbpsbench.interaction.play import Spent
from tbpsbench.interaction.rules import Answerer
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.messages import Picture, Reply, Request
from tbpsbench.testing.asking import toy_picture
from tbpsbench.testing.compare import assert_close
from tbpsbench.testing.toy import Component

QUERIES, IMAGES, SHADES = 6, 9, 30


class ToyMLLM(MLLMClient):
    """Says yes to light pictures, and names a bag and shoes that depend on the shade; merges by putting together.

    Register it where a config shall name it: `MLLM_CLIENTS.register("ToyMLLM")(ToyMLLM)`.
    """

    name = "toy"

    async def ask(self, request: Request) -> Reply:
        async with self.meter.call(request, None) as call:
            call.answered(1, 1)
        return Reply(self._said(request), self.name, prompt_tokens=1, completion_tokens=1)

    def _said(self, request: Request) -> str:
        if request.task == "merge":
            return " ".join(request.texts)
        shade = int(request.pictures[0].sha256, 16) % 4 if request.pictures else 0
        if request.task == "judge":
            return "Yes." if shade == 3 else "No, her eyes are another colour."
        about = {
            "bag": "The person carries a red bag.",
            "shoes": f"The person wears {('black', 'red')[shade % 2]} boots.",
        }
        said = [about.get(slot, "not visible") for slot in request.topic]
        return said[0] if len(said) == 1 else "\n".join(f"{n}. {text}" for n, text in enumerate(said, 1))


def toy_scene(known: bool = False, seed: int = 0) -> Scene:
    """Queries about nobody in particular; `known`: whether it is told who is looked for."""
    base_QG = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (QUERIES, IMAGES)).astype(np.float32))
    shown = [toy_picture(SHADES + 20 * image % 220) for image in range(IMAGES)]

    def similar(texts: Sequence[str]) -> Any:
        draws = [np.random.default_rng([seed, *text.encode()]).uniform(-1, 1, IMAGES) for text in texts]
        found = np.array(draws, np.float32)
        return lambda rows: found[rows]

    def target(row: int) -> Target:
        return Target(shown[row], "She carries a red bag.")

    def picture(position: int) -> Picture:
        return shown[position]

    return Scene(
        [f"a woman in a red coat, number {row}" for row in range(QUERIES)], IMAGES,
        lambda start, stop: base_QG[start:stop], similar, picture, target if known else None,
    )  # fmt: skip


def check_interactor(config: Component) -> Interacted:
    """An interactor gives finite scores block by block, the same each time, says what it took and changes nothing.

    Args:
        config: the component; its clients must be able to answer about toy pictures.

    Returns:
        what came of it.
    """
    interactor: Interactor = registry.INTERACTORS.build(config, "interactor")
    known = get_args(Answerer)
    assert interactor.answerer in known, f"answerer is {interactor.answerer!r}, expected one of {', '.join(known)}"
    unknown = [name for name in interactor.ablations if name not in ABLATIONS]
    assert not unknown, f"ablations name {unknown}, expected some of {', '.join(ABLATIONS)}"
    told = interactor.answerer in ("witness", "oracle")
    if told:
        try:
            interactor.interact(toy_scene(), {})
        except ConfigError:
            pass
        else:
            raise AssertionError("who is looked for was not told, and a ConfigError was expected; it went on")
    scene = toy_scene(told)
    plain_QG = scene.scores(0, QUERIES).clone()
    forced_Q = np.array([0, 1, -1, 2, 3, 4])
    found, others = interactor.interact(scene, {"given": lambda _: forced_Q})
    assert torch.equal(scene.scores(0, QUERIES), plain_QG), (
        "the scores of the scene were changed in place, expected new ones: results before the interaction are kept"
    )
    score_QG = _block(found.scores, 0, QUERIES)
    parts = [_block(found.scores, *span) for span in ((0, 1), (1, 4), (4, QUERIES))]
    assert_close(
        torch.cat(parts), score_QG, "scores depend on the block in which they are asked for, expected the same in any"
    )
    assert found.rounds, "there is no round, expected the scores after each; the last are the final ones"
    assert_close(
        _block(found.rounds[-1], 0, QUERIES),
        score_QG,
        "the last round's scores are not the final ones, expected the same",
    )
    _check_anchors(found)
    for name, scores in (*found.without.items(), *found.budgets.items()):
        assert name in ABLATIONS or (isinstance(name, int) and name > 0), (
            f"{name!r} is none of what was expected: an ablation ({', '.join(ABLATIONS)}) or a number of calls"
        )
        _block(scores, 0, QUERIES)
    for name, other in others.items():
        assert np.array_equal(other.anchors, forced_Q), (
            f"with the anchors {forced_Q.tolist()} it took {other.anchors.tolist()}, expected those that were given "
            f"({name!r}), or no such outcome where an interactor has no anchors"
        )
    again, _ = registry.INTERACTORS.build(config, "interactor").interact(toy_scene(told), {})
    assert_close(
        _block(again.scores, 0, QUERIES),
        score_QG,
        "the same replies gave other scores the second time, expected the same",
    )
    try:
        json.dumps(interactor.describe())
    except (TypeError, ValueError) as error:
        raise AssertionError(f"describe gives what JSON cannot hold ({error}), expected plain data") from error
    return found


def _check_anchors(found: Interacted) -> None:
    anchors = np.asarray(found.anchors)
    right = anchors.shape == (QUERIES,) and anchors.dtype.kind == "i" and ((anchors >= -1) & (anchors < IMAGES)).all()
    assert right, f"anchors are {anchors!r}, expected {QUERIES} positions in a gallery of {IMAGES}, -1 for none"
    shape = np.shape(found.candidates)
    right = len(shape) == 2 and shape[0] == QUERIES
    assert right, f"candidates have the shape {shape}, expected ({QUERIES}, K)"
    counted = len(found.spent) == QUERIES and all(isinstance(one, Spent) for one in found.spent)
    assert counted, f"spent has {len(found.spent)} entries, expected one `Spent` for each of {QUERIES} queries"


def _block(scores: Blocks, start: int, stop: int) -> Tensor:
    found = scores(start, stop)
    assert isinstance(found, Tensor), f"the scores are {type(found).__name__}, expected a tensor"
    expected = (stop - start, IMAGES)
    assert tuple(found.shape) == expected, f"the scores have the shape {tuple(found.shape)}, expected {expected}"
    assert found.is_floating_point(), f"the scores are {found.dtype}, expected floating point"
    assert torch.isfinite(found).all(), "a score is not finite, expected numbers"
    return found.clone()
