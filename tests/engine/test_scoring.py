import numpy as np
import pytest
import torch

from tbpsbench import registry
from tbpsbench.config.load import load_config
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.run import build_run
from tbpsbench.engine.scoring import Scored, blocks, ranks_of
from tbpsbench.heads.base import Head
from tbpsbench.heads.global_head import GlobalHead
from tbpsbench.metrics.ranking import positive_ranks_from_scores
from tbpsbench.testing import check_head
from tbpsbench.types import Embedding
from tbpsbench.vectors import Vectors

TOKENS = "model.heads=dict(tokens=dict(type='TokenHead', embed_dim=8))"
MAX_SIM = "model.losses=dict(itc=dict(type='MaxSim'))"
WHOLE = "dict(type='GlobalHead', embed_dim=8, weight=3.0)"
BOTH = f"model.heads=dict(tokens=dict(type='TokenHead', embed_dim=8), whole={WHOLE})"


def run_of(demo, *options):
    config, _, *overrides = demo
    return build_run(load_config(config, [*(o for o in overrides if not o.startswith("model.heads")), *options]))


def sides(run, split="test"):
    data = run.evaluation
    queries, gallery = data.queries(split), data.gallery(split)
    ask = Scored("text", embed_captions(run.model, queries, 64), queries.pids)
    pids = np.array([record.pid for record in gallery.records])
    return ask, Scored("image", embed_images(run.model, gallery, 64), pids)


def test_token_sets_are_ranked_by_their_max_sim(demo):
    run = run_of(demo, TOKENS, MAX_SIM)
    run.model.eval()
    ask, answer = sides(run)
    ours = ranks_of(run.model, ask, answer, "pessimistic", skip_unmatched=False)
    text, image = ask.heads["tokens"], answer.heads["tokens"]
    naive = torch.einsum("qtd,gld->qgtl", text.values, image.values).amax(-1)
    naive = (naive * text.mask[:, None]).sum(-1) / text.mask.sum(1)[:, None]
    theirs = positive_ranks_from_scores(naive.double(), ask.pids, answer.pids)
    assert np.mean(ours.ranks != theirs.ranks) < 0.01  # sums in another order
    found = evaluate(run.model, run.evaluation, "test", run.settings.evaluation)
    assert found.results["standard"].ranks == ours


def test_heads_of_both_kinds_are_added_by_weight(demo):
    run = run_of(demo, BOTH, "model.losses=dict(itc=dict(type='MaxSim'))")
    run.model.eval()
    assert not run.model.cosine
    ask, answer = sides(run)
    tokens, whole = (blocks(run.model, ask, answer, head)(0, 7) for head in ("tokens", "whole"))
    torch.testing.assert_close(blocks(run.model, ask, answer)(0, 7), 0.25 * tokens + 0.75 * whole)
    found = evaluate(run.model, run.evaluation, "test", run.settings.evaluation).results["standard"]
    assert set(found.head_scores) == {"tokens", "whole"}
    turned = blocks(run.model, answer, ask)(3, 5)
    torch.testing.assert_close(turned[:, :7], (0.25 * tokens + 0.75 * whole)[:, 3:5].T)


def test_blocks_of_the_gallery_change_nothing(demo, monkeypatch):
    run = run_of(demo, TOKENS, MAX_SIM)
    run.model.eval()
    ask, answer = sides(run)
    whole = blocks(run.model, ask, answer)(0, len(ask))
    monkeypatch.setattr("tbpsbench.engine.scoring.GALLERY_ROWS", 3)
    torch.testing.assert_close(blocks(run.model, ask, answer)(0, len(ask)), whole)


@pytest.fixture
def hyperbolic():
    """A plug-in's head that compares by the distance in the Poincare ball."""

    @registry.HEADS.register("Hyperbolic", requires=("image", "text"))
    class Hyperbolic(GlobalHead):
        cosine = False

        def compared(self, embedding, side):
            values = getattr(embedding, side).float()
            norm = values.norm(dim=-1, keepdim=True).clamp(min=1e-6)
            return Vectors(values / norm * torch.tanh(norm) * 0.9)

        def score(self, text, image):
            apart = torch.cdist(text.values, image.values, compute_mode="donot_use_mm_for_euclid_dist").square()
            room = (1 - text.values.square().sum(-1))[:, None] * (1 - image.values.square().sum(-1))
            return -torch.acosh(1 + 2 * apart / room)

    yield Hyperbolic
    registry.HEADS.remove("Hyperbolic")


def test_a_plug_in_brings_its_own_similarity(demo, hyperbolic, tmp_path):
    check_head({"type": "Hyperbolic", "embed_dim": 4})
    run = run_of(demo, "model.heads={'global': dict(type='Hyperbolic', embed_dim=8)}")
    run.model.eval()
    ask, answer = sides(run)
    point, other = ask.heads["global"].values[3].double(), answer.heads["global"].values[5].double()
    expected = -np.arccosh(
        1 + 2 * float((point - other).square().sum()) / float((1 - point @ point) * (1 - other @ other))
    )
    assert blocks(run.model, ask, answer)(0, 8)[3, 5].item() == pytest.approx(expected, rel=1e-4)
    found = evaluate(run.model, run.evaluation, "test", run.settings.evaluation)
    assert found.results["standard"].queries == len(ask)


def test_the_base_head_scores_by_the_dot_product():
    class Plain(Head):
        dim = 2

        def forward(self, features, batch):
            return Embedding(None, None)

    text, image = Plain().compared(Embedding(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]])), "text"), None
    image = Plain().compared(Embedding(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]])), "image")
    assert Plain().score(text, image).tolist() == [[0.0]]
    assert Plain().first_stage(image, "image").tolist() == [[1.0, 0.0]]
