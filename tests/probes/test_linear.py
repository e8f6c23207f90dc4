import numpy as np
import pytest

from tbpsbench.probes import linear
from tbpsbench.probes.labels import Attribute
from tbpsbench.probes.linear import Outcome, above_chance, draws, interval, probe, tally

PERSONS, IMAGES, WIDTH = 120, 4, 12


def attribute(label_P, person_N, rows=None):
    rows = np.arange(len(person_N)) if rows is None else rows
    classes = tuple(f"value {k}" for k in range(label_P.max() + 1))
    persons = tuple(np.bincount(label_P).tolist())
    return Attribute("made up", "identity", rows, label_P[person_N[rows]], classes, persons, {})


@pytest.fixture
def people():
    """Labels of persons, the person in each image, and noise for each image."""
    generator = np.random.default_rng(0)
    label_P = generator.integers(0, 3, PERSONS)
    person_N = np.repeat(np.arange(PERSONS), IMAGES)
    return label_P, person_N, generator.normal(size=(len(person_N), WIDTH))


def test_a_feature_that_holds_the_attribute_is_read(people):
    label_P, person_N, noise_ND = people
    feature_ND = 0.3 * noise_ND
    feature_ND[:, 4:7] += np.eye(3)[label_P[person_N]]
    assert probe(feature_ND, attribute(label_P, person_N), person_N).accuracy > 0.95


def test_a_feature_that_holds_nothing_scores_about_chance(people):
    label_P, person_N, noise_ND = people
    assert probe(noise_ND, attribute(label_P, person_N), person_N).accuracy == pytest.approx(1 / 3, abs=0.08)


def test_recognising_a_person_does_not_help(people):
    label_P, person_N, _ = people
    vector_PD = np.random.default_rng(1).normal(size=(PERSONS, 64))
    feature_ND = vector_PD[person_N] + 0.01 * np.random.default_rng(2).normal(size=(len(person_N), 64))
    asked = attribute(label_P, person_N)
    assert probe(feature_ND, asked, person_N).accuracy == pytest.approx(1 / 3, abs=0.1)
    # The same probe over images would find the person in another fold and recall the answer.
    assert probe(feature_ND, asked, np.arange(len(person_N))).accuracy > 0.75


def test_only_the_images_that_show_the_attribute_are_used(people):
    label_P, person_N, noise_ND = people
    feature_ND = 0.1 * noise_ND
    feature_ND[:, :3] += np.eye(3)[label_P[person_N]]
    shown = np.arange(0, len(person_N), 2)
    feature_ND[1::2] = np.random.default_rng(3).permutation(feature_ND[1::2])
    assert probe(feature_ND, attribute(label_P, person_N, shown), person_N).accuracy > 0.95
    assert probe(feature_ND, attribute(label_P, person_N), person_N).accuracy < 0.9


def test_scale_and_offset_of_a_feature_do_not_matter(people):
    label_P, person_N, noise_ND = people
    feature_ND = noise_ND + np.eye(3, WIDTH)[label_P[person_N]]
    asked = attribute(label_P, person_N)
    expected = probe(feature_ND, asked, person_N)
    again = probe(feature_ND * 2.0 ** np.arange(WIDTH) + 100, asked, person_N)
    assert again.accuracy == pytest.approx(expected.accuracy, abs=0.01)
    assert np.array_equal(probe(feature_ND, asked, person_N).right_PK, expected.right_PK)


def test_regularisation_is_chosen_on_persons_that_are_not_scored(people, monkeypatch):
    label_P, person_N, noise_ND = people
    tried = []

    def answers(x_MD, y_M, person_M, fitted, asked, strength):
        assert not set(person_M[fitted]) & set(person_M[asked])
        tried.append((len(set(person_M)), strength))
        return y_M[asked] if strength < 1 else (y_M[asked] + 1) % 3

    monkeypatch.setattr(linear, "_answers", answers)
    found = probe(noise_ND, attribute(label_P, person_N), person_N, folds=4, strengths=(10.0, 0.1, 0.01))
    # In each fold all are tried on three quarters of the persons; of the two that are right the stronger one is taken.
    choosing, scoring = [(90, 0.01), (90, 0.1), (90, 10.0)], [(120, 0.01)]
    assert tried == (choosing + scoring) * 4
    assert found.accuracy == 1.0


def test_folds_share_no_person_and_have_every_class():
    label_M = np.array([0, 0, 1, 1, 1, 0, 1, 0, 0, 1])
    person_M = np.array([3, 3, 1, 1, 3, 0, 2, 5, 5, 4])
    folds = linear._folds(label_M, person_M, 2)
    assert sorted(np.concatenate([asked for _, asked in folds])) == list(range(10))
    for fitted, asked in folds:
        assert not set(person_M[fitted]) & set(person_M[asked])
        assert set(label_M[fitted]) == set(label_M[asked]) == {0, 1}


def test_persons_count_alike_and_so_do_classes():
    # Person 0: class 0, one image, right. Person 1: class 0, three images, one right. Persons 2 and 3: class 1, wrong.
    outcome = tally(
        np.array([0, 0, 1, 1, 0, 0]), np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 2, 3]), persons=4, classes=2
    )
    assert outcome.accuracy == pytest.approx(((1 + 1 / 3) / 2 + 0) / 2)


def test_an_outfit_is_a_second_answer_of_the_same_person():
    outcome = tally(np.array([0, 1]), np.array([0, 0]), np.array([0, 0]), persons=1, classes=1)
    assert outcome.accuracy == 0.5
    outcome = tally(np.array([0, 1]), np.array([0, 1]), np.array([0, 0]), persons=1, classes=2)
    assert outcome.accuracy == 1.0


def test_resampled_persons_carry_their_answers():
    outcome = Outcome(np.array([[1.0, 0], [0.0, 0], [0, 0.5]]), np.array([[1.0, 0], [1.0, 0], [0, 1.0]]))
    times_SP = np.array([[1.0, 1, 1], [3.0, 0, 0], [0, 2.0, 1]])
    assert outcome.resampled(times_SP).tolist() == [0.5, 1.0, 0.25]
    assert np.isnan(outcome.resampled(np.zeros((1, 3)))).all()
    assert outcome.accuracy == 0.5


def test_interval_holds_the_accuracy_and_narrows_with_persons(people):
    label_P, person_N, noise_ND = people
    found = probe(noise_ND + np.eye(3, WIDTH)[label_P[person_N]], attribute(label_P, person_N), person_N)
    low, high = interval(found.resampled(draws(PERSONS)))
    assert low < found.accuracy < high
    few = Outcome(found.right_PK[:30], found.asked_PK[:30])
    wide = interval(few.resampled(draws(30)))
    assert wide[1] - wide[0] > 1.4 * (high - low)


def test_above_chance_runs_from_zero_to_one():
    assert above_chance(0.25, 0.25) == 0
    assert above_chance(1.0, 0.25) == 1
    assert above_chance(0.1, 0.25) < 0


def test_as_few_persons_as_folds_can_be_probed():
    label_P, person_N = np.array([0, 0, 1, 1]), np.arange(4)
    feature_ND = np.array([[-1.0], [-1.1], [1.0], [1.1]])
    assert probe(feature_ND, attribute(label_P, person_N), person_N, folds=2).accuracy == 1.0
