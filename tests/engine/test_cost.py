"""FLOPs: attention layers count, though torch would run them as one fused operation in evaluation."""

import pytest
import torch

from tbpsbench.compat import counted_flops
from tbpsbench.disentanglers.bdam import BDAM
from tbpsbench.types import Features

DIM, TOKENS = 16, 8
# Of one layer with MLP ratio 2: query, key, value, output and the MLP's two maps; then scores and weighted sums.
LAYER = 2 * TOKENS * (4 * DIM * DIM + 2 * DIM * 2 * DIM) + 2 * 2 * TOKENS * TOKENS * DIM


def flops(module, *inputs):
    with torch.no_grad(), counted_flops() as counter:
        module.eval()(*inputs)
    return counter.get_total_flops()


def test_encoder_layer_counts_its_matrix_products():
    layer = torch.nn.TransformerEncoderLayer(DIM, 2, 2 * DIM, batch_first=True)
    assert flops(layer, torch.zeros(1, TOKENS, DIM)) == LAYER


def test_deeper_bdam_costs_two_layers_more_for_each_step():
    features = Features({"image.patches": torch.zeros(1, TOKENS, DIM)})
    cost = [flops(BDAM({"image.patches": DIM}, depth=depth, heads=2, mlp_ratio=2.0), features) for depth in (0, 1, 3)]
    assert cost[1] - cost[0] == 2 * LAYER
    assert cost[2] - cost[1] == 4 * LAYER


def test_fused_path_is_as_it_was_afterwards():
    before = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(TypeError):
        flops(torch.nn.Linear(2, 2), "no tensor")
    assert torch.backends.mha.get_fastpath_enabled() == before
