"""Suites that order the results of a trained model anew."""

import pytest

from tbpsbench.errors import ConfigError
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.leaderboard.suite.run import run_suite
from tbpsbench.leaderboard.verify.group import verify_all
from tbpsbench.records.read import read_records

RERANK = {"swap": {"type": "KReciprocal", "k1": 4, "k2": 2}, "bank": {"type": "InvertedSoftmax"}}


def with_rerank(path, rerank, names):
    """The suite with re-rankers, asked for by its entry "a"."""
    text = path.read_text()
    marked = text.replace("'a': {", f"'a': {{'rerank': {names!r}, ")
    assert marked != text
    path.write_text(f"{marked}\nrerank = {rerank!r}\n")
    return path


@pytest.mark.slow
def test_one_trained_model_gives_a_record_for_each_re_ranker(suite, tmp_path):
    path = with_rerank(suite(entries=("a",), seeds=(0, 1)), RERANK, ["swap", "bank"])
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 2
    records = {(record["name"], record["seed"]): record for _, record in read_records(tmp_path / "records")}
    assert set(records) == {(name, seed) for name in ("a", "a + swap", "a + bank") for seed in (0, 1)}
    plain, swapped = records["a", 0], records["a + swap", 0]
    assert plain["checkpoint"] == swapped["checkpoint"]
    assert (plain["track"], swapped["track"]) == ("dual-encoder", "rerank")
    assert swapped["results"]["standard (before re-ranking)"] == plain["results"]["standard"] | {"heads": {}}
    assert swapped["suite"]["entry"] == "a + swap"
    found = verify_all(tmp_path / "records")
    assert found.ok, found.report()
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 0


def test_re_rankers_that_do_not_exist_are_named(suite):
    with pytest.raises(ConfigError, match=r"entries\.a\.rerank +no re-ranker is called 'swop'\. Did you mean 'swap'"):
        read_suite(with_rerank(suite(), RERANK, ["swop"]))
    with pytest.raises(ConfigError, match="no re-ranker is called 'KReciproca'"):
        read_suite(with_rerank(suite(), {"swap": {"type": "KReciproca"}}, ["swap"]))
