"""The contract of re-rankers, and a toy search for them.

Shapes: Q queries, G gallery, S captions of a bank, B queries of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.engine.reranking import first_stage
from tbpsbench.engine.scoring import Scored, blocks
from tbpsbench.errors import TBPSError
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.model.roles import QUERY
from tbpsbench.rerankers.base import Blocks, Reranker, Search
from tbpsbench.testing.compare import assert_close
from tbpsbench.testing.toy import Component, picked, toy_batch
from tbpsbench.types import Batch

ARCH = {"embed_dims": 16, "num_layers": 1, "num_heads": 2, "feedforward_channels": 32}
BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
LOSSES: Mapping[str, Component] = MappingProxyType({"itm": {"type": "ITM", "dim": 16, "depth": 1, "heads": 2}})
QUERIES, IMAGES, BANK = 12, 15, 20


@dataclass(frozen=True)
class ToySearch:
    """A small model that has learnt nothing, captions and images of nobody, and searches among them.

    Attributes:
        model: with the losses that re-rankers ask.
        texts, images, bank: batches with captions alone, images alone, and training captions.
    """

    model: PersonSearchModel
    texts: Batch
    images: Batch
    bank: Batch

    def search(self, queries: Any = slice(None), gallery: Any = slice(None)) -> Search:
        """The search of some of the queries in some of the gallery; `scores` are views of one matrix."""
        texts, images = picked(self.texts, queries), picked(self.images, gallery)
        ask, answer = self._side(texts), self._side(images)
        with torch.no_grad():
            score_QG = blocks(self.model, ask, answer)(0, len(ask))
            bank_SG = blocks(self.model, self._side(self.bank), answer)(0, len(self.bank))
            vectors = first_stage(self.model, ask), first_stage(self.model, answer)
        return Search(
            queries=len(texts),
            images=len(images),
            scores=lambda start, stop: score_QG[start:stop],
            query_QD=vectors[0],
            gallery_GD=vectors[1],
            bank=lambda count: bank_SG[:count],
            text_features=torch.no_grad()(lambda rows: self.model.extract(picked(texts, rows))),
            image_features=torch.no_grad()(lambda rows: self.model.extract(picked(images, rows))),
            model=self.model,
        )

    def _side(self, batch: Batch) -> Scored:
        with torch.no_grad():
            if batch.image_B3HW is None:
                return Scored("text", self.model.encode_query(batch.texts[QUERY]), batch.pid_B.numpy())
            return Scored("image", self.model.encode_gallery(batch.image_B3HW), batch.pid_B.numpy())


def toy_search(losses: Mapping[str, Component] = LOSSES, seed: int = 0) -> ToySearch:
    """A toy search; its model has these losses, each by its name."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = PersonSearchModel(
            image_encoder={"type": "ViT", "arch": ARCH, "img_size": (32, 16), "patch_size": 8},
            text_encoder={"type": "BERT", "arch": {**BERT, "max_position_embeddings": 12}, "vocab_size": 50},
            heads={"global": {"type": "GlobalHead", "embed_dim": 8}},
            losses=losses,
        ).eval()
    texts, images, bank = (
        toy_batch(range(count), seed=seed + place) for place, count in enumerate((QUERIES, IMAGES, BANK))
    )
    texts, bank = (replace(part, image_B3HW=None, texts={QUERY: part.texts[QUERY]}) for part in (texts, bank))
    return ToySearch(model, texts, replace(images, texts={}), bank)


def check_reranker(config: Component, losses: Mapping[str, Component] = LOSSES) -> None:
    """A re-ranker gives finite scores block by block, changes nothing, and says whether it is transductive.

    Args:
        config: the component.
        losses: of the model, for re-rankers that ask one of them.
    """
    toy = toy_search(losses)
    search, weights = toy.search(), {name: value.clone() for name, value in toy.model.state_dict().items()}
    plain_QG = search.scores(0, QUERIES).clone()
    reranker, found = _reranked(config, search)
    kind, named = reranker.asks, registry.RERANKERS.entry(config["type"]).parameters.get("loss")
    assert kind is None or (kind in registry.LOSSES.names() and named is not None), (
        f"asks is {kind!r}, expected the type of a registered loss, whose name is the constructor's argument `loss`"
    )
    score_QG = _block(found, 0, QUERIES, IMAGES)
    assert torch.equal(search.scores(0, QUERIES), plain_QG), (
        "the scores of the search were changed in place, expected new ones: results before re-ranking are kept"
    )
    assert not toy.model.training, "the model was left in training mode, expected evaluation mode, as it came"
    changed = [name for name, value in toy.model.state_dict().items() if not torch.equal(value, weights[name])]
    assert not changed, f"{changed[:1]} of the model changed, expected a re-ranker to leave it as it is"
    pairs = reranker.pairs
    counted = isinstance(pairs, int) and pairs >= 0
    assert counted, f"pairs is {pairs!r}, expected a number of pairs, 0 or more"
    spans = [(7, QUERIES), (0, 2), (2, 7)]
    parts = {span: _block(found, *span, IMAGES) for span in spans}
    joined = torch.cat([parts[span] for span in sorted(spans)])
    assert_close(joined, score_QG, "scores depend on the block in which they are asked for, expected the same in any")
    again = _block(_reranked(config, toy.search())[1], 0, QUERIES, IMAGES)
    assert_close(again, score_QG, "a second re-ranking gave other scores, expected equal ones")
    if not reranker.transductive:
        _check_inductive(config, toy, score_QG, plain_QG)
    for bare, what in (
        (replace(search, query_QD=None, gallery_GD=None), "without vectors of queries and images"),
        (toy_search({"itc": {"type": "InfoNCE"}}).search(), "with a model without the loss that it asks"),
    ):
        try:
            _block(_reranked(config, bare)[1], 0, QUERIES, IMAGES)
        except TBPSError:
            pass
        except Exception as error:
            raise AssertionError(
                f"{what} it raised {type(error).__name__}: {error}; expected scores, or a ConfigError that says what "
                "the system lacks"
            ) from error
    _check_reads(config, reranker, search, score_QG)


def _reranked(config: Component, search: Search) -> tuple[Reranker, Blocks]:
    reranker: Reranker = registry.RERANKERS.build(config, "reranker")
    found = reranker.rerank(search)
    assert callable(found), f"rerank returned {type(found).__name__}, expected a function of (start, stop)"
    return reranker, found


def _block(found: Blocks, start: int, stop: int, images: int) -> Tensor:
    score_BG = found(start, stop)
    assert isinstance(score_BG, Tensor), f"the scores are {type(score_BG).__name__}, expected a tensor"
    shape, expected = tuple(score_BG.shape), (stop - start, images)
    assert shape == expected, f"the scores of queries {start} to {stop} have shape {shape}, expected (B, G): {expected}"
    assert score_BG.is_floating_point(), f"the scores are {score_BG.dtype}, expected floating point"
    assert torch.isfinite(score_BG).all(), "a score is not finite, expected numbers: the worst image has a rank, too"
    assert not score_BG.requires_grad, "the scores have gradients, expected none"
    return score_BG.clone()


def _check_reads(config: Component, reranker: Reranker, search: Search, score_QG: Tensor) -> None:
    """What it does not say that it reads may be anything: a chain of re-rankers relies on it."""
    assert search.query_QD is not None, "the toy search has no vectors, expected some"
    others = {
        "scores": replace(search, scores=lambda start, stop: search.scores(start, stop).flip(1)),
        "vectors": replace(search, query_QD=search.query_QD.flip(1)),
        "bank": replace(search, bank=lambda count: search.bank(count).flip(1)),
    }
    for what in sorted({*others} - {*reranker.reads}):
        found = _block(_reranked(config, others[what])[1], 0, QUERIES, IMAGES)
        assert_close(
            found, score_QG,
            f"it reads {what!r} of the search and `reads` is {reranker.reads}, expected it to name whatever orders the "
            "images: which re-rankers may stand before it depends on that",
        )  # fmt: skip


def _check_inductive(config: Component, toy: ToySearch, score_QG: Tensor, plain_QG: Tensor) -> None:
    """Neither other queries nor an image at the end of the ranking decide the order of a query's images."""
    rows = slice(3, 5)
    alone_QG = _block(_reranked(config, toy.search(queries=rows))[1], 0, 2, IMAGES)
    assert_close(
        alone_QG, score_QG[rows],
        "the scores of a query depend on the other queries, expected the same without them: say transductive = True",
    )  # fmt: skip
    for query in range(QUERIES):
        kept = [image for image in range(IMAGES) if image != int(plain_QG[query].argmin())]
        fewer_G = _block(_reranked(config, toy.search(gallery=kept))[1], 0, QUERIES, len(kept))[query]
        before_G = score_QG[query, kept][fewer_G.argsort(descending=True)]
        slack = 1e-4 * float(before_G.max() - before_G.min())
        assert (before_G.diff() <= slack).all(), (
            f"without the image that was last, the others of query {query} come in another order, expected the same: "
            "images shape each other's results, so say transductive = True"
        )
