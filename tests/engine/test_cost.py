"""FLOPs: attention layers count, though torch would run them as one fused operation in evaluation."""

import pytest
import torch

from tbpsbench.compat import counted_flops
from tbpsbench.config.load import load_config
from tbpsbench.engine.cost import model_cost
from tbpsbench.engine.run import build_run

DIM, TOKENS = 16, 18
# Of one layer with MLP ratio 2: query, key, value, output and the MLP's two maps; then scores and weighted sums.
LAYER = 2 * TOKENS * (4 * DIM * DIM + 2 * DIM * 2 * DIM) + 2 * 2 * TOKENS * TOKENS * DIM
SMALL = [
    "model.image_encoder.arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32)",
    "model.image_encoder.img_size=(48, 24)", "model.image_encoder.patch_size=8", "model.disentangler.heads=2",
    "data.size=(48, 24)", "data.dataset.size=tiny", "data.num_workers=0", "data.batch_size=8",
    "runtime.threads=1",
]  # fmt: skip


def flops(module, *inputs):
    with torch.no_grad(), counted_flops() as counter:
        module.eval()(*inputs)
    return counter.get_total_flops()


def test_encoder_layer_counts_its_matrix_products():
    layer = torch.nn.TransformerEncoderLayer(DIM, 2, 2 * DIM, batch_first=True)
    assert flops(layer, torch.zeros(1, TOKENS, DIM)) == LAYER


def test_deeper_bdam_costs_a_layer_more_in_each_stream(mini):
    cost = []
    for depth in (0, 1, 3):
        options = [*SMALL, f"data.dataset.root={mini}", f"model.disentangler.depth={depth}"]
        run = build_run(load_config("configs/bdam_mamba/bdam-mamba_tiny_mini-pedes.py", options))
        cost.append(model_cost(run.model, run.evaluation))
    assert cost[1]["image_flops"] - cost[0]["image_flops"] == 2 * LAYER
    assert cost[2]["image_flops"] - cost[1]["image_flops"] == 4 * LAYER
    assert cost[0]["text_flops"] == cost[2]["text_flops"] > 0


def test_fused_path_is_as_it_was_afterwards():
    before = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(TypeError):
        flops(torch.nn.Linear(2, 2), "no tensor")
    assert torch.backends.mha.get_fastpath_enabled() == before
