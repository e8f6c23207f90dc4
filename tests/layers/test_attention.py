import torch

from tbpsbench.layers.attention import SelfAttention


def test_nothing_attends_to_masked_positions():
    stack, x = SelfAttention(8, 2, 2, dropout=0.0).double(), torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.tensor([[True, True, True, False, False]] * 3)
    changed = torch.where(mask[..., None], x, 7.0)
    for training in (True, False):
        stack.train(training)
        torch.testing.assert_close(stack(x, mask)[:, :3], stack(changed, mask)[:, :3])
        torch.testing.assert_close(stack(x, mask)[:, :3], stack(x[:, :3]))


def test_layers_do_not_start_with_equal_weights():
    one, two = (layer.linear1.weight for layer in SelfAttention(8, 2, 2).layers)
    assert not torch.equal(one, two)


def test_no_layer_leaves_the_norm():
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(SelfAttention(8, 0, 2)(x), torch.nn.functional.layer_norm(x, (8,)))
