import math

import numpy as np
import pytest
import torch
from loss_pairs import log_shares, pairs, waves

from tbpsbench.losses.infonce import InfoNCE
from tbpsbench.losses.nitc import NITC
from tbpsbench.types import Features


def by_loop(image, text, pid, temperature, alpha):
    """The definition, pair by pair, in float64."""
    losses = np.zeros(len(pid))
    for i, j, x in log_shares(image, text, temperature):
        share = (pid[j] == pid[i]) / (pid == pid[i]).sum()
        losses[i] -= (alpha * math.exp(x) + (1 - alpha) * share) * x / 2
    return losses


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid, alpha):
    image, text = np.random.default_rng(0).normal(size=(2, len(pid), 6))
    out = NITC(temperature=0.2, alpha=alpha)(*pairs(image, text, pid))
    expected = by_loop(image, text, np.array(pid), 0.2, alpha)
    # alpha is kept in float32, as a counter that rises over steps needs no more.
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-6, atol=1e-9)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, 5.60707), (0.5, 2.86760)])
def test_golden_losses_nitc_of_sines_and_cosines(alpha, expected):
    assert NITC(alpha=alpha)(*waves()).value.item() == pytest.approx(expected, abs=1e-5)


def test_hard_targets_are_infonce_over_identities():
    image, text = np.random.default_rng(0).normal(size=(2, 5, 6))
    features, batch = pairs(image, text, [0, 0, 1, 2, 1])
    expected = InfoNCE(positives="identity")(features, batch)
    out = NITC(alpha=0.0)(features, batch)
    torch.testing.assert_close(out.per_sample, expected.per_sample, rtol=1e-6, atol=1e-9)


def test_gradient_in_float64_holds_the_targets_constant():
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    pid = [0, 1, 0, 2]
    hard = NITC(temperature=0.5, alpha=0.0)
    assert torch.autograd.gradcheck(lambda i, t: hard(*pairs(i, t, pid)).value, (image, text))
    # Soft targets from features that do not move: finite differences see constants, too.
    fixed = Features({"slow.image": image.detach() + 0.1, "slow.text": text.detach() - 0.1})
    soft = NITC(temperature=0.5, soft_anchor="slow.image", soft_positive="slow.text")

    def value(i, t):
        features, batch = pairs(i, t, pid)
        features.tensors |= fixed.tensors
        return soft(features, batch).value

    assert torch.autograd.gradcheck(value, (image, text))


def test_own_similarity_gives_the_same_targets_as_a_copy_of_it():
    features, batch = waves()
    features["slow.image"], features["slow.text"] = (features[f"heads.global.{side}"] for side in ("image", "text"))
    slow = NITC(soft_anchor="slow.image", soft_positive="slow.text")
    assert slow(features, batch).value == NITC()(features, batch).value


def test_alpha_rises_over_the_first_training_batches_and_survives_a_restart():
    loss, (features, batch) = NITC(ramp_steps=4), waves()
    seen = [loss(features, batch).stats["alpha"].item() for _ in range(3)]
    loss.eval()
    assert loss(features, batch).stats["alpha"].item() == loss(features, batch).stats["alpha"].item() == 0.375
    resumed = NITC(ramp_steps=4)
    resumed.load_state_dict(loss.state_dict())
    seen += [resumed(features, batch).stats["alpha"].item() for _ in range(3)]
    assert seen == [0.0, 0.125, 0.25, 0.375, 0.5, 0.5]


def test_learnt_scale_gets_a_gradient():
    loss = NITC(learnable=True)
    loss(*waves()).value.backward()
    assert [name for name, _ in loss.named_parameters()] == ["scale.log"]
    assert loss.scale.log.grad.abs() > 0


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"alpha must be a share between 0 and 1, got 1\.5"):
        NITC(alpha=1.5)
    with pytest.raises(ValueError, match="ramp_steps must be 0 or more, got -1"):
        NITC(ramp_steps=-1)
    with pytest.raises(ValueError, match="temperature must be positive"):
        NITC(temperature=0.0)


def test_several_anchors_give_the_mean_of_their_losses_and_count_a_batch_once():
    features, batch = waves()
    features["second"] = features["heads.global.image"].flip(1)
    alone = [NITC(anchor=name)(features, batch).per_sample for name in ("heads.global.image", "second")]
    both = NITC(also=("second",), ramp_steps=2)
    both.seen += 2
    torch.testing.assert_close(both(features, batch).per_sample, sum(alone) / 2, rtol=1e-12, atol=0)
    assert both.seen == 3
