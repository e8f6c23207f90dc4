from collections import Counter

import pytest

from tbpsbench.minipedes.people import (
    CLOTHING_FACTORS,
    IDENTITY_FACTORS,
    LONG_SLEEVES,
    OPENING,
    factors,
    sample_outfit,
    sample_person,
)

PEOPLE = [factors(sample_person(0, pid), sample_outfit(0, pid, "A")) for pid in range(3000)]


def cramers_v(one: str, other: str) -> float:
    """Strength of the association of two factors, 0 (independent) to 1, with the bias correction of Bergsma (2013)."""
    pairs = Counter((p[one], p[other]) for p in PEOPLE)
    rows, columns = Counter(p[one] for p in PEOPLE), Counter(p[other] for p in PEOPLE)
    n, r, c = len(PEOPLE), len(rows), len(columns)
    chi = sum((pairs[a, b] - rows[a] * columns[b] / n) ** 2 / (rows[a] * columns[b] / n) for a in rows for b in columns)
    phi = max(0.0, chi / n - (r - 1) * (c - 1) / (n - 1))
    return (phi / min(r - (r - 1) ** 2 / (n - 1) - 1, c - (c - 1) ** 2 / (n - 1) - 1)) ** 0.5


@pytest.mark.parametrize("identity", IDENTITY_FACTORS)
def test_identity_says_nothing_about_clothing(identity):
    strengths = {clothing: cramers_v(identity, clothing) for clothing in CLOTHING_FACTORS}
    assert max(strengths.values()) < 0.08, strengths


def test_association_measure_sees_the_dependence_of_grey_hair_on_age():
    assert cramers_v("age", "hair_colour") > 0.4


def test_every_factor_varies():
    for name in IDENTITY_FACTORS + CLOTHING_FACTORS:
        assert len({person[name] for person in PEOPLE}) >= 2, name


def test_women_and_children_have_no_beard_and_children_no_grey_hair():
    for person in PEOPLE:
        if person["sex"] == "woman" or person["age"] == "child":
            assert person["beard"] == "none"
        if person["age"] == "child":
            assert person["hair_colour"] not in ("grey", "white")


def test_garments_are_consistent():
    for person in PEOPLE:
        assert (person["lower"] == "none") == (person["upper"] == "dress")
        assert (person["upper_accent"] == "none") == (person["upper_pattern"] == "plain")
        assert person["inner_colour"] == "none" or person["upper"] in OPENING
    assert OPENING <= LONG_SLEEVES


def test_outfit_b_differs_from_outfit_a_and_seed_changes_people():
    assert all(sample_outfit(0, pid, "A") != sample_outfit(0, pid, "B") for pid in range(200))
    assert [sample_person(0, pid) for pid in range(20)] != [sample_person(1, pid) for pid in range(20)]
