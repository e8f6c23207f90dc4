"""Random inputs for every reader: what was found before, a few new ones, and that the engine notices what it should."""

import os
import time
from pathlib import Path

import pytest
from fuzzing.change import changed, changed_bytes, places
from fuzzing.engine import Maker, Tally, keep, kept_inputs, run_one, seeded
from fuzzing.target import Target
from fuzzing.values import NUMBERS, Raw, as_json, as_python
from fuzzing.worker import targets

from tbpsbench.errors import DataError

CORPUS = Path(__file__).parents[1] / "data" / "fuzz"
SEED = os.environ.get("TBPSBENCH_TEST_SEED", "0")
NEW = 15


def failures(tally):
    return "\n".join(text for _, text in tally.failures.values())


@pytest.mark.parametrize("name", targets())
def test_inputs_of_the_corpus_and_new_ones_end_in_an_error_of_ours_or_in_none(name, tmp_path):
    target, tally = targets()[name], Tally()
    maker, rng = Maker(target), seeded(SEED, name)
    for data in (*kept_inputs(CORPUS, name), *(maker.draw(rng) for _ in range(NEW))):
        run_one(target, data, tmp_path, tally)
    assert tally.inputs >= NEW
    assert not tally.failed, failures(tally)


@pytest.mark.parametrize("name", targets())
def test_every_example_is_valid_or_refused_for_what_it_is(name, tmp_path):
    """At least one example of each target goes through, so that changes reach more than the first check."""
    target, tally = targets()[name], Tally()
    for data in Maker(target).encoded:
        run_one(target, data, tmp_path, tally)
    assert not tally.failed, failures(tally)
    assert tally.accepted or name == "checkpoint", [error[:200] for error in tally.found]


def test_the_corpus_belongs_to_targets_that_exist():
    assert {path.name for path in CORPUS.iterdir()} <= set(targets())


def use(data, _):
    if data == b"refused":
        raise DataError("x: no")
    if data == b"broken":
        raise KeyError("y")
    if data == b"unprintable":
        raise DataError("\ud800")
    if data == b"slow":
        started = time.process_time()
        while time.process_time() - started < 10:
            pass


TOY = Target("toy", lambda: [b"fine"], use)


def test_refusals_are_told_from_failures(tmp_path):
    tally = Tally()
    for data in (b"fine", b"refused", b"broken", b"unprintable"):
        run_one(TOY, data, tmp_path, tally)
    assert (tally.inputs, tally.accepted, tally.refused, tally.failed) == (4, 1, 1, 2)
    assert {data for data, _ in tally.failures.values()} == {b"broken", b"unprintable"}
    assert list(tally.found.values()) == [b"refused"]


@pytest.mark.slow
def test_an_input_that_takes_too_long_is_a_failure(tmp_path):
    tally = Tally()
    started = time.process_time()
    run_one(TOY, b"slow", tmp_path, tally)
    assert time.process_time() - started < 9
    assert "TooSlowError" in next(iter(tally.failures))


def test_one_seed_draws_the_same_inputs_again_and_another_draws_others():
    maker = Maker(targets()["json"])

    def draw(seed):
        rng = seeded(seed)
        return [maker.draw(rng) for _ in range(50)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert len(set(draw(1))) > 40


def test_a_change_leaves_the_example_and_everything_beside_the_place_alone():
    example = {"a": [1, {"b": 2}], "c": (3, 4)}
    assert set(places(example)) == {(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("c",), ("c", 0), ("c", 1)}
    assert changed(example, ("a", 1, "b"), "set", "x") == {"a": [1, {"b": "x"}], "c": (3, 4)}
    assert changed(example, ("a", 0), "drop", None) == {"a": [{"b": 2}], "c": (3, 4)}
    assert changed(example, ("c", 1), "copy", None, ("a",)) == {"a": [1, {"b": 2}], "c": (3, [1, {"b": 2}])}
    assert changed(example, ("z", 1), "set", "x") == example
    assert example == {"a": [1, {"b": 2}], "c": (3, 4)}
    assert changed_bytes(b"abcdef", "drop", 1, 2, b"") == b"adef"
    assert changed_bytes(b"abcdef", "flip", 0, 0, b"") == b"`bcdef"


def test_raw_text_stands_in_the_file_as_it_is():
    assert as_json({"a": [Raw("1" * 5000), "\ud800"]}) == b'{"a": [' + b"1" * 5000 + b', "\\ud800"]}'
    assert as_python({"a": [Raw("-True")]}) == b"a = [-True]\n"
    assert all(as_json(number) for number in NUMBERS)


def test_what_is_kept_is_found_again(tmp_path):
    assert keep(tmp_path, "toy", b"x") == keep(tmp_path, "toy", b"x")
    keep(tmp_path, "toy", b"y")
    assert sorted(kept_inputs(tmp_path, "toy")) == [b"x", b"y"]


def test_hypothesis_draws_and_shrinks(tmp_path):
    pytest.importorskip("hypothesis")
    from fuzzing.hypothesis_part import EXAMPLES, run_batch

    def refuse_long_numbers(data, _):
        if any(byte in b"123456789" for byte in data):
            raise KeyError("a digit")

    tally = Tally()
    run_batch(Maker(Target("toy", lambda: [b"no digit"], refuse_long_numbers)), tmp_path, tally, 0)
    assert tally.failed
    assert tally.inputs > 5
    assert min(len(data) for data, _ in tally.failures.values()) <= EXAMPLES
