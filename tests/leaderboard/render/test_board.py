"""The committed board: its records can be verified, and its pages are what the records say, byte for byte."""

from pathlib import Path

import pytest

from tbpsbench.leaderboard.published.read import read_published
from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.rows import rows_of
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.leaderboard.verify.group import verify_all
from tbpsbench.records.read import read_records

RECORDS, PAGES = Path("benchmarks/records"), Path("docs/leaderboard")


def test_committed_records_can_be_verified():
    found = verify_all(RECORDS, data=None)
    assert found.records
    assert found.ok, found.report()


def test_committed_pages_are_what_the_committed_records_say(tmp_path):
    records = read_records(RECORDS)
    rows = rows_of(records) + read_published("benchmarks/published")
    made = render(rows, dict(records), tmp_path, "tbpsbench leaderboard", records_at="../../benchmarks/records")
    assert {path.name for path in made} == {path.name for path in PAGES.iterdir()}
    for path in made:
        same = path.read_bytes() == (PAGES / path.name).read_bytes()
        assert same, f"{PAGES / path.name} is not what the records say: make leaderboard"


@pytest.mark.parametrize("suite", sorted(path.stem for path in Path("configs/leaderboards").glob("mini*.py")))
def test_every_run_of_a_committed_suite_has_its_records(suite):
    names = {(record["name"], record["seed"]) for _, record in read_records(RECORDS)}
    asked = {(task.entry, task.seed) for task in read_suite(f"configs/leaderboards/{suite}.py")}
    assert asked <= names, f"no record of {sorted(asked - names)}"
