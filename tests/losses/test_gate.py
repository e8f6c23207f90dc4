import pytest
import torch

from tbpsbench import testing
from tbpsbench.losses.gate import GateRegularization
from tbpsbench.types import Features


@pytest.mark.parametrize("rows", [1, 5])
def test_value_equals_the_definition(rows):
    gate = torch.rand(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    batch = testing.toy_batch(range(rows))
    out = GateRegularization()(Features({"gate": gate}), batch)
    expected = sum((value - 0.5) ** 2 for row in gate.tolist() for value in row) / gate.numel()
    assert out.value.item() == pytest.approx(expected, rel=1e-12)
    assert out.per_sample.shape == (rows,)
    assert torch.autograd.gradcheck(lambda g: GateRegularization()(Features({"gate": g}), batch).value, gate)


@pytest.mark.parametrize(("value", "expected"), [(0.5, 0.0), (0.0, 0.25), (1.0, 0.25)])
def test_range(value, expected):
    features = Features({"gate": torch.full((4, 3), value, dtype=torch.bfloat16)})
    assert GateRegularization()(features, testing.toy_batch(range(4))).value.item() == expected
