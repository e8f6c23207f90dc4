"""Badges: the same everywhere, and only what they say."""

import io

import pytest
from rich.console import Console

from tbpsbench.leaderboard.doctor.doctor import doctor
from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.collect import collect
from tbpsbench.records.badges import SIMULATED, badges_of, simulated
from tbpsbench.records.table import print_record

from ..leaderboard.factory import edit, imagine, make, read

SOURCE = {"source": "s", "file": "s.jsonl", "sha256": "c" * 64, "made_from": {}, "notes": {}}


@pytest.fixture
def record(tmp_path):
    return make(tmp_path / "records", imagine(tmp_path / "data"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"role": "descriptions", "notes": {"simulated": {"wrong": 0.2}}}, True),
        ({"role": "gallery", "notes": {"simulated": {"wrong": 0.0}}}, True),
        ({"role": "gallery", "made_from": {"describer": {"captions_sha256": "d" * 64}}}, True),
        ({"role": "captions", "notes": {"simulated": {"wrong": 0.2}}}, False),
        ({"role": "descriptions", "made_from": {"mllm": "x"}}, False),
        ({"role": "descriptions", "notes": {"simulated": False}}, False),
    ],
)
def test_simulated_descriptions_are_descriptions_that_were_simulated(record, source, expected):
    edit(record, lambda r: r["data"]["sources"].append({**SOURCE, **source}))
    assert simulated(read(record)) is expected


def terminal(record):
    stream = io.StringIO()
    print_record(record, console=Console(file=stream, width=200))
    return stream.getvalue()


def test_every_place_shows_the_same_badges(record, tmp_path):
    source = {**SOURCE, "role": "descriptions", "notes": {"simulated": {"wrong": 0.2}}}
    edit(record, lambda r: (r["data"]["sources"].append(source), r["data"].update(partial=True), r["leaks"].append("x"),
                            r["selection"].update(rule="test")))  # fmt: skip
    badges = badges_of(read(record))
    assert badges == ["selected on test", "leak allowed", "partial data", SIMULATED]
    board = collect(tmp_path / "records")
    assert board.rows[0].badges == tuple(badges)
    for path in render(board.rows, board.records, tmp_path / "board", "T"):
        text = path.read_text(encoding="utf-8")
        assert all(badge in text for badge in badges), path
    printed = terminal(read(record))
    assert all(badge in printed for badge in badges), printed
    assert "descriptions come from a simulation" in doctor(tmp_path / "records").report()


@pytest.mark.parametrize("name", ["[/bold]", "[bold red]x", ":smile:", "$x$", "\\x", "a\nb", "\x1b[31m", "x" * 200])
def test_names_are_printed_as_they_are_written(record, name):
    found = read(record)
    found["name"] = found["spec"]["data"] = name
    result = found["results"].pop("standard")
    result["heads"] = {name: {"R@1": 1.0}}
    found["results"][name] = result
    printed = terminal(found)
    assert "\x1b" not in printed
    if len(name) < 20:
        assert printed.count(ascii(name)[1:-1] if not name.isprintable() else name) >= 4


def test_a_protocol_without_a_column_is_printed(record):
    found = read(record)
    found["results"]["other"] = {**found["results"]["standard"], "scores": {"mAP": 1.0}, "intervals_95": {}}
    assert "other" in terminal(found)
