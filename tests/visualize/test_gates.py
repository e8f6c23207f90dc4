import numpy as np
import pytest
import torch

from tbpsbench.errors import ConfigError
from tbpsbench.visualize.gates import (
    Gates,
    gate_figure,
    gate_values,
    histogram,
    require_gate,
    sorted_dimensions,
    spread,
)

WITHOUT_BDAM = [
    "model.disentangler=None", "model.losses.hsic=None", "model.losses.gate=None", "model.losses.clothing=None",
]  # fmt: skip
WITHOUT_FUSER = ["model.fuser=None", "model.heads.global.image=identity", "model.heads.global.project=both"]


def test_spread_counts_what_is_beyond_the_bounds():
    found = spread(np.array([[0.0, 0.05, 0.1, 0.5], [0.9, 0.95, 0.5, 0.5]]))
    assert found.mean == pytest.approx(0.4375)
    assert found.std == pytest.approx(np.std([0.0, 0.05, 0.1, 0.5, 0.9, 0.95, 0.5, 0.5]))
    assert (found.low, found.high) == (0.25, 0.125)
    assert str(found) == f"mean 0.44, std {found.std:.2f}\n25.0 % < 0.1, 12.5 % > 0.9"


def test_histogram_is_in_percent_and_keeps_both_ends():
    share_K, edge_K1 = histogram(np.array([[0.0, 1.0], [0.011, 0.5]]))
    assert len(edge_K1) == len(share_K) + 1 == 51
    assert share_K.sum() == 100
    assert (share_K[0], share_K[25], share_K[-1]) == (50, 25, 25)


def test_dimensions_are_sorted_by_their_mean_with_their_own_quantiles():
    values_ND = np.array([[0.9, 0.1, 0.4], [0.7, 0.1, 0.6]])
    mean_D, low_D, high_D = sorted_dimensions(values_ND)
    np.testing.assert_allclose(mean_D, [0.1, 0.5, 0.8])
    np.testing.assert_allclose(low_D, [0.1, 0.42, 0.72])
    np.testing.assert_allclose(high_D, [0.1, 0.58, 0.88])


def test_gates_are_those_of_every_image_in_order(built):
    run = built()
    gallery = run.evaluation.gallery("test")
    gates = gate_values(run.model, gallery, batch_size=7)
    assert gates.identity_ND.shape == (len(gallery), 16)
    with torch.no_grad():
        one = run.model.extract(next(gallery.batches(1, indices=[5])))
        pair, null = run.model.fuser.pair, run.model.fuser.pair.null[None]
        weights = pair.weights(pair.align_image(one["identity"]), null)
    np.testing.assert_allclose(gates.identity_ND[5], one["gate"][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gates.fusion_N2[5], weights[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gates.fusion_N2.sum(axis=1), 1, rtol=1e-6)
    assert not gates.fused_text
    assert not pair.gate._forward_hooks, "the fuser is still listened to"


def test_gallery_texts_reach_the_fusers_gate(built):
    plain, told = built(), built("evaluation.gallery_texts=descriptions")
    told.model.load_state_dict(plain.model.state_dict())
    without, with_ = (gate_values(run.model, run.evaluation.gallery("test")) for run in (plain, told))
    np.testing.assert_array_equal(without.identity_ND, with_.identity_ND)
    assert not np.allclose(without.fusion_N2, with_.fusion_N2)
    assert with_.fused_text


@pytest.mark.parametrize("options", [WITHOUT_FUSER, ["model.fuser.gate=False"]], ids=["no fuser", "no gate in it"])
def test_a_fuser_without_a_gate_has_no_panel(built, drawn, options):
    run = built(*options)
    gates = gate_values(run.model, run.evaluation.gallery("test"))
    assert gates.fusion_N2 is None
    gate_figure(gates, "title", "out.png")
    assert [axes.get_title() for axes in drawn[0].axes] == ["BDAM's gate", "BDAM's gate by dimension"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WITHOUT_BDAM, "model.disentangler is None"),
        (["model.disentangler.gate=False", "model.losses.gate=None"], "model.disentangler.gate is False"),
    ],
)
def test_a_model_without_the_gate_is_refused(built, options, message):
    with pytest.raises(ConfigError, match=rf"{message}.*Take a config with model.disentangler=dict\(type='BDAM'"):
        require_gate(built(*options).model)


def test_figure_says_mean_deviation_and_saturation_of_each_distribution(drawn):
    identity_ND = np.random.default_rng(0).uniform(0.55, 1, size=(20, 8))
    fusion_N2 = np.full((20, 2), 0.5)
    gate_figure(Gates(identity_ND, fusion_N2, fused_text=True), "whose", "out.png")
    figure = drawn[0]
    assert figure.get_suptitle() == "whose"
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]
    assert legends[0] == [f"identity, g\n{spread(identity_ND)}", f"clothing, 1 - g\n{spread(1 - identity_ND)}"]
    assert legends[1] == [f"{name}\nmean 0.50, std 0.00\n0.0 % < 0.1, 0.0 % > 0.9" for name in ("image", "description")]
    mean_D = figure.axes[2].get_lines()[0].get_ydata()
    np.testing.assert_array_equal(mean_D, sorted_dimensions(identity_ND)[0])
    gate_figure(Gates(identity_ND, fusion_N2, fused_text=False), "whose", "out.png")
    assert "null vector" in drawn[1].axes[1].get_legend().get_texts()[1].get_text()
