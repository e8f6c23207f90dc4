"""Suites in which somebody talks about the queries of a trained model, on its own data and on others."""

import pytest

from tbpsbench.errors import ConfigError
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.leaderboard.suite.run import run_suite
from tbpsbench.leaderboard.verify.group import verify_all
from tbpsbench.records.read import read_records


def asked(record):
    """Whose captions a record asked."""
    return next(source["source"] for source in record["data"]["sources"] if source["role"] == "captions")


HUMAN = "human"
TALK = {"mti": {"type": "MTI", "k": 3, "mllm": {"type": "Simulated"}, "ablations": ("judge only",), "budgets": ()}}


def with_interactors(path, interact, names):
    """The suite with interactors, asked for by its entry "a"."""
    text = path.read_text()
    marked = text.replace("'a': {", f"'a': {{'interact': {names!r}, ")
    assert marked != text
    path.write_text(f"{marked}\ninteract = {interact!r}\n")
    return path


@pytest.mark.slow
def test_one_trained_model_is_talked_about_on_its_own_data_and_on_vague_queries(suite, tmp_path):
    vague = {"vague": ["data.captions=terse"]}
    options = ("evaluation.protocols=('standard',)",)
    path = with_interactors(suite(entries=("a",), transfer=vague, options=options), TALK, ["mti"])
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 1
    records = {(r["name"], asked(r)): r for _, r in read_records(tmp_path / "records")}
    assert set(records) == {(name, source) for name in ("a", "a + mti") for source in (HUMAN, "terse")}
    plain, talked = records["a", "terse"], records["a + mti", "terse"]
    assert plain["checkpoint"] == talked["checkpoint"]
    assert talked["results"]["standard (before interaction)"] == plain["results"]["standard"]
    assert talked["track"] == "interactive"
    found = verify_all(tmp_path / "records")
    assert found.ok, found.report()
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 0


def test_interactors_that_do_not_exist_are_named(suite):
    with pytest.raises(ConfigError, match=r"entries\.a\.interact +no interactor is called 'mtj'\. Did you mean 'mti'"):
        read_suite(with_interactors(suite(), TALK, ["mtj"]))
    with pytest.raises(ConfigError, match="no interactor is called 'MTJ'"):
        read_suite(with_interactors(suite(), {"mti": {"type": "MTJ"}}, ["mti"]))
