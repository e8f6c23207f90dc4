import numpy as np
import pytest
import torch

from tbpsbench.kernels.hsic import hsic
from tbpsbench.probes.dependence import dependence, exchanged

ROWS = 120
EACH_ALONE = np.arange(ROWS)


def normal(rows, width, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, width)))


def test_a_rotated_and_scaled_feature_is_the_same_feature():
    x_ND = normal(ROWS, 6, 0)
    turn, _ = torch.linalg.qr(normal(6, 6, 1))
    found = dependence(x_ND, 7 * x_ND @ turn + 3, EACH_ALONE, permutations=0)
    assert found["linear"]["cka"]["value"] == pytest.approx(1)
    assert found["rbf"]["cka"]["value"] == pytest.approx(1)
    assert found["rbf"]["cka_unbiased"]["value"] == pytest.approx(1)


def test_independent_features_look_dependent_only_to_the_biased_estimate():
    found = dependence(normal(ROWS, 40, 0), normal(ROWS, 40, 1), EACH_ALONE)
    for kernel in ("linear", "rbf"):
        biased, unbiased = found[kernel]["cka"], found[kernel]["cka_unbiased"]
        assert biased["value"] > 0.15
        assert biased["value"] == pytest.approx(biased["independent"], abs=0.05)
        assert abs(unbiased["value"]) < 0.05
        assert abs(unbiased["independent"]) < 0.02


def test_shared_content_lies_above_the_baseline():
    shared = normal(ROWS, 4, 0)
    x_ND, y_NE = torch.cat([shared, normal(ROWS, 4, 1)], 1), torch.cat([shared, normal(ROWS, 8, 2)], 1)
    for measures in dependence(x_ND, y_NE, EACH_ALONE).values():
        for entry in measures.values():
            assert entry["value"] > entry["independent_95"] > entry["independent"]


def test_only_the_rbf_kernel_sees_what_is_not_linear():
    x_ND = normal(ROWS, 1, 0)
    found = dependence(x_ND, x_ND.square() - 1, EACH_ALONE)
    assert found["rbf"]["cka_unbiased"]["value"] > 5 * found["rbf"]["cka_unbiased"]["independent_95"]
    assert found["linear"]["cka_unbiased"]["value"] < 0.1


def test_values_are_those_of_the_kernels_and_of_the_formula():
    x_ND, y_NE = normal(ROWS, 5, 0), normal(ROWS, 3, 1) + normal(ROWS, 5, 0)[:, :3]
    found = dependence(x_ND.float(), y_NE.float(), EACH_ALONE, permutations=0)
    x, y = (np.asarray(z.float().double() - z.float().double().mean(0)) for z in (x_ND, y_NE))
    cross = np.linalg.norm(x.T @ y) ** 2
    assert found["linear"]["hsic"]["value"] == pytest.approx(cross / (ROWS - 1) ** 2)
    own = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    assert found["linear"]["cka"]["value"] == pytest.approx(cross / own)
    unbiased = hsic(x_ND.float().double(), y_NE.float().double(), kernel="rbf", estimator="unbiased")
    assert found["rbf"]["hsic_unbiased"] == {"value": pytest.approx(float(unbiased))}


def test_persons_are_exchanged_whole_and_only_for_persons_with_as_many_images():
    person_N = np.array([5, 5, 7, 8, 8, 9, 9, 9, 5, 8, 9])  # three images of 5 and 8, one of 7, four of 9
    orders = {tuple(exchanged(person_N, np.random.default_rng(seed))) for seed in range(20)}
    assert len(orders) == 2
    for order in orders:
        assert sorted(order) == list(range(len(person_N)))
        given = person_N[list(order)]
        assert set(given[person_N == 7]) == {7}
        assert set(given[person_N == 9]) == {9}
        assert {frozenset(given[person_N == pid]) for pid in (5, 8)} == {frozenset({5}), frozenset({8})}


@pytest.mark.parametrize(
    ("images", "known"),
    [
        ([1, 2, 3, 4, 5], False),  # nobody has as many as another
        ([2, 2, 3, 4, 5], False),
        ([3, 3], False),  # every second order leaves all as they are
        ([3, 3, 3], True),
        ([4, 4, 4, 4, 3, 2], True),
    ],
)
def test_without_persons_to_exchange_there_is_no_baseline(images, known):
    person_N = np.repeat(np.arange(len(images)), images)
    x_ND = normal(len(person_N), 4, 0)
    found = dependence(x_ND, x_ND, person_N, permutations=5)
    assert ("independent" in found["linear"]["cka"]) is known
    assert found["linear"]["cka"]["value"] == pytest.approx(1)


def test_baseline_knows_that_images_of_a_person_are_alike():
    person_N = np.repeat(np.arange(20), 15)
    x_ND, y_NE = normal(20, 10, 0)[person_N], normal(20, 10, 1)[person_N]
    by_person = dependence(x_ND, y_NE, person_N)["linear"]["cka"]
    by_image = dependence(x_ND, y_NE, np.arange(300))["linear"]["cka"]
    assert by_person["value"] == pytest.approx(by_person["independent"], abs=0.1)
    assert by_image["independent_95"] < 0.3 * by_image["value"]


@pytest.mark.parametrize("moved", [0.0, 1e6])
def test_a_collapsed_feature_depends_on_nothing(moved):
    still = torch.full((ROWS, 4), 0.1 + moved)
    for measures in dependence(normal(ROWS, 4, 0), still, EACH_ALONE, permutations=3).values():
        assert all(set(entry.values()) == {0.0} for entry in measures.values())


def test_the_same_seed_gives_the_same_baseline():
    x_ND, y_NE = normal(ROWS, 4, 0), normal(ROWS, 4, 1)
    first, second = (dependence(x_ND, y_NE, EACH_ALONE, permutations=5) for _ in range(2))
    assert first == second
    assert first != dependence(x_ND, y_NE, EACH_ALONE, permutations=5, seed=1)
