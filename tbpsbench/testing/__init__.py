"""Contracts of the slots and toy data, for this package's own tests and for authors of plug-ins.

    from tbpsbench.testing import check_loss
    def test_my_loss(): check_loss({"type": "MyLoss", "margin": 0.2})

Each `check_*` builds a component by the config that a user would write and asserts what its slot promises; a message
says what was found and what was expected. `mock_run` trains and evaluates a whole config on tiny MiniPEDES.
"""

from tbpsbench.testing.asking import check_mllm_client, toy_picture, toy_requests
from tbpsbench.testing.captions import check_clusterer, toy_embeddings
from tbpsbench.testing.compare import check_state
from tbpsbench.testing.data import (
    check_caption_source,
    check_dataset,
    check_sampler,
    check_tokenizer,
    check_transform,
)
from tbpsbench.testing.indexes import check_index
from tbpsbench.testing.learning import check_model, check_optimizer, check_schedule
from tbpsbench.testing.measurement import check_metric, check_protocol
from tbpsbench.testing.objectives import check_balancer, check_loss
from tbpsbench.testing.parts import check_disentangler, check_encoder, check_fuser, check_head
from tbpsbench.testing.runs import check_hook, mock_run
from tbpsbench.testing.search import check_reranker, toy_search
from tbpsbench.testing.talking import ToyMLLM, check_interactor, toy_scene
from tbpsbench.testing.texts import WordTokenizer, check_text_transform
from tbpsbench.testing.toy import (
    ROLES,
    VECTORS,
    VIEW,
    WIDTH,
    Component,
    picked,
    toy_batch,
    toy_dims,
    toy_features,
    toy_masked,
    toy_records,
    toy_tokens,
)

__all__ = [
    "ROLES",
    "VECTORS",
    "VIEW",
    "WIDTH",
    "Component",
    "ToyMLLM",
    "WordTokenizer",
    "check_balancer",
    "check_caption_source",
    "check_clusterer",
    "check_dataset",
    "check_disentangler",
    "check_encoder",
    "check_fuser",
    "check_head",
    "check_hook",
    "check_index",
    "check_interactor",
    "check_loss",
    "check_metric",
    "check_mllm_client",
    "check_model",
    "check_optimizer",
    "check_protocol",
    "check_reranker",
    "check_sampler",
    "check_schedule",
    "check_state",
    "check_text_transform",
    "check_tokenizer",
    "check_transform",
    "mock_run",
    "picked",
    "toy_batch",
    "toy_dims",
    "toy_embeddings",
    "toy_features",
    "toy_masked",
    "toy_picture",
    "toy_records",
    "toy_requests",
    "toy_scene",
    "toy_search",
    "toy_tokens",
]
