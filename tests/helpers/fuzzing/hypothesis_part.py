"""Inputs that hypothesis draws: any values at any places, any bytes; what fails is shrunk before it is reported."""

import contextlib

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzzing.engine import ODD_BYTES, run_one
from fuzzing.values import VALUES

EXAMPLES = 50
NUMBER = st.integers(0, 2**30)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # lone surrogates, too
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
ANY_VALUE = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4), max_leaves=12
)


def strategy(maker):
    """Inputs of a target as bytes."""
    odd = st.sampled_from([*VALUES, *maker.target.odd]) | ANY_VALUE
    steps = st.lists(st.tuples(NUMBER, NUMBER, odd, NUMBER), min_size=1, max_size=4)
    raw_steps = st.lists(
        st.tuples(NUMBER, NUMBER, NUMBER, st.sampled_from(ODD_BYTES) | st.binary(max_size=40)), min_size=1, max_size=4
    )
    found = st.builds(maker.raw, NUMBER, raw_steps) | st.binary(max_size=200)
    return st.builds(maker.nested, NUMBER, steps) | found if any(maker.places) else found


def run_batch(maker, folder, tally, number):
    """Draw and count EXAMPLES inputs; those that fail are shrunk, and each try of that is an input as well."""

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(strategy(maker))
    def one(data):
        place = run_one(maker.target, data, folder, tally)
        if place is not None:
            raise AssertionError(place)

    with contextlib.suppress(AssertionError):  # counted and kept, in the smallest form that was found
        one()
