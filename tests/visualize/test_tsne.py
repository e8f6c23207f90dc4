import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.types import ImageRecord
from tbpsbench.visualize.tsne import (
    GROUPS,
    Shown,
    agreement,
    labels_of,
    lay_out,
    pick_persons,
    show,
    tsne_figure,
    unit,
)

WITHOUT_BDAM = [
    "model.disentangler=None", "model.losses.hsic=None", "model.losses.gate=None", "model.losses.clothing=None",
]  # fmt: skip


def blobs(groups=3, each=6, width=8):
    """Tight groups of unit vectors, and which group each is of."""
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(groups, width)), each, axis=0)
    return unit((centres + 0.05 * rng.normal(size=centres.shape)).astype(np.float32)), np.repeat(range(groups), each)


def picture(labels, pids, colour="pid", kinds=("identity", "clothing")):
    x_ND = np.random.default_rng(0).normal(size=(len(pids), 8))
    return Shown({kind: unit(x_ND) for kind in kinds}, np.array(pids), np.array(labels), colour)


def test_layout_repeats_itself_and_keeps_groups_together():
    x_ND, group_N = blobs()
    plane_N2 = lay_out(x_ND)
    np.testing.assert_array_equal(plane_N2, lay_out(x_ND.copy()))
    apart_NN = np.linalg.norm(plane_N2[:, None] - plane_N2[None], axis=-1)
    same_NN = group_N[:, None] == group_N[None]
    assert apart_NN[same_NN].max() < apart_NN[~same_NN].min()


def test_four_images_are_enough():
    assert np.isfinite(lay_out(blobs(2, 2)[0])).all()


def test_persons_with_most_images_are_picked_and_small_pids_first():
    pids_G = np.array([7, 3, 5, 3, 5, 7, 3, 9])
    assert pick_persons(pids_G, 2) == [1, 2, 3, 4, 6]
    assert pick_persons(pids_G, 99) == list(range(8))
    for pids, persons in ((pids_G, 1), (pids_G, 0), (np.array([1, 2, 3]), 3)):
        with pytest.raises(DataError, match="needs two persons and four images"):
            pick_persons(pids, persons)


def test_labels_are_persons_or_an_attribute_and_others_are_listed():
    facts = {"upper_colour": "red", "mentions": [["sex"]]}
    records = [
        ImageRecord(0, "0.png", 4, "test", (), camera=2, attributes=facts),
        ImageRecord(1, "1.png", 5, "test", (), camera=1),
    ]
    assert labels_of(records, "pid").tolist() == ["4", "5"]
    assert labels_of(records, "camera").tolist() == ["2", "1"]
    assert labels_of(records, "upper_colour").tolist() == ["red", "unknown"]
    for name in ("lower_colour", "mentions", "outfit"):
        with pytest.raises(DataError, match=f"--colour {name}.* There is: camera, pid, upper_colour$"):
            labels_of(records, name)


def test_agreement_counts_neighbours_against_chance():
    x_ND = unit(np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]]))
    pids = np.array([1, 1, 2, 2])
    assert agreement(x_ND, pids, pids) == (1.0, pytest.approx(1 / 3))
    assert agreement(x_ND, np.array([1, 2, 1, 2]), pids)[0] == 0
    # By an attribute, neighbours are other persons: here the nearest of 0 and 2 is each other's look-alike.
    red = np.array(["red", "red", "red", "blue"])
    share, chance = agreement(x_ND, red, pids, "upper_colour")
    assert share == pytest.approx(np.mean([False, False, True, False]))
    assert chance == pytest.approx(np.mean([0.5, 0.5, 1, 0]))


def test_shown_are_unit_vectors_of_the_images_that_were_picked(built):
    run = built()
    found = show(run.model, run.evaluation, "test", persons=4, colour="upper_colour")
    gallery = run.evaluation.gallery("test")
    positions = pick_persons(gallery.pids, 4)
    records = [run.evaluation.annotations.records[gallery.image_ids[position]] for position in positions]
    assert found.pids.tolist() == [record.pid for record in records]
    assert found.labels.tolist() == [record.attributes["upper_colour"] for record in records]
    features = run.model.extract(next(gallery.batches(len(positions), indices=positions)))
    for kind in ("identity", "clothing"):
        expected = features[kind].detach().numpy()
        np.testing.assert_allclose(found.vectors[kind], unit(expected), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found.vectors[kind], axis=1), 1, rtol=1e-5)


def test_baseline_has_one_panel_of_identity_vectors(built, drawn):
    run = built(*WITHOUT_BDAM)
    found = show(run.model, run.evaluation, "test", persons=3)
    assert list(found.vectors) == ["identity"]
    tsne_figure(found, "title", "out.png")
    assert [axes.get_title().split("\n")[0] for axes in drawn[0].axes] == ["identity vectors"]


def test_figure_shows_each_kind_and_both_with_a_legend_of_persons(drawn):
    pids = np.repeat(range(5, 15), 3)
    tsne_figure(picture([str(pid) for pid in pids], pids), "whose", "out.png")
    figure = drawn[0]
    assert figure.get_suptitle() == "whose"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [str(pid) for pid in range(5, 15)]
    points = [sum(len(line.get_xdata()) for line in axes.get_lines()) for axes in figure.axes]
    assert points == [30, 30, 60]
    looks = [{(line.get_color(), str(line.get_marker())) for line in axes.get_lines()} for axes in figure.axes]
    assert [len(look) for look in looks] == [10, 10, 20]
    assert looks[2] == looks[0] | looks[1]


def test_more_groups_than_can_be_told_apart_are_refused(built, monkeypatch):
    run = built()
    monkeypatch.setattr("tbpsbench.visualize.tsne.labels_of", lambda records, _: np.arange(len(records)).astype(str))
    gallery = run.evaluation.gallery("train")
    assert len(gallery) > GROUPS
    with pytest.raises(DataError, match=rf"only {GROUPS} can be told apart. Use fewer --persons"):
        show(run.model, run.evaluation, "train", persons=len(gallery))
