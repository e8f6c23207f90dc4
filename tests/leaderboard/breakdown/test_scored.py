"""Scores by group, from records; from checkpoints: tests/e2e/test_tools.py."""

import csv
import io
import json

import pytest
from cases import each_case, refusal
from rich.console import Console

from tbpsbench.errors import ConfigError, DataError
from tbpsbench.leaderboard.breakdown.report import csv_report, make_report, print_report
from tbpsbench.leaderboard.breakdown.scored import from_record, is_record

from ..factory import edit, edit_ranks, imagine, make, read


@pytest.fixture(scope="module")
def imagined(tmp_path_factory):
    return imagine(tmp_path_factory.mktemp("imagined"))


@pytest.fixture
def record(tmp_path, imagined):
    return make(tmp_path / "run", imagined)


def described(imagined, change):
    """The captions with something changed in every image of the test split, and their records' hash to match."""
    lines = [json.loads(line) for line in imagined.human.read_text().splitlines()]
    for line in lines[1:]:
        if line["split"] == "test":
            change(line)
    imagined.human.write_text("".join(json.dumps(line) + "\n" for line in lines))


def printed(report):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=160))
    return stream.getvalue()


def test_all_queries_have_exactly_the_records_numbers(record):
    report = make_report(from_record(record))
    expected = read(record)["results"]["standard"]
    for key in ("scores", "intervals_95", "queries", "identities"):
        assert report["all"][key] == expected[key]
    assert report["name"] == "system"
    assert report["split"] == "test"
    assert f"{expected['scores']['R@1']:.2f} (" in printed(report)


def test_a_record_is_told_from_a_checkpoint(record):
    assert is_record(record)
    assert is_record(record / "record.json")
    assert not is_record(record.parent), "a run's folder means its checkpoint"
    assert make_report(from_record(record / "record.json"))["all"] == make_report(from_record(record))["all"]


def test_groups_are_those_of_the_data_set(tmp_path):
    imagined = imagine(tmp_path / "data")
    names = ["[/bold]", "$x$", "=1+1", "n" * 300, "bell\x07"]
    described(imagined, lambda line: line.update(camera=line["pid"] % 2, attributes={"name": names[line["pid"] % 5]}))
    scored = from_record(make(tmp_path / "run", imagined))
    report = make_report(scored)
    assert list(report["by"]) == ["camera", "name"]
    assert report["left_out"] == {"length": "always 1-10", "source": "always human"}
    for groups in report["by"].values():
        assert sum(group["queries"] for group in groups) == report["all"]["queries"]
    assert {group["value"] for group in report["by"]["name"]} == set(names)
    text = printed(report)
    assert "[/bold]" in text
    assert r"bell\x07" in text
    assert "* fewer than 30 queries or 10 persons" in text
    rows = list(csv.DictReader(io.StringIO(csv_report(report))))
    assert float(rows[0]["R@1"]) == pytest.approx(report["all"]["scores"]["R@1"])
    assert {row["group"] for row in rows if row["by"] == "name"} == {*names, "'=1+1"} - {"=1+1"}
    asked_for = make_report(scored, ["length"], [6, 7, 8])
    assert [group["value"] for group in asked_for["by"]["length"]] == ["8"]
    assert asked_for["left_out"] == {}


def test_what_has_too_many_values_waits_to_be_asked_for(tmp_path):
    imagined = imagine(tmp_path / "data")
    described(imagined, lambda line: line.update(attributes={"number": line["image_id"]}))
    scored = from_record(make(tmp_path / "run", imagined))
    assert make_report(scored)["left_out"]["number"] == "36 values; name it with --by"
    assert len(make_report(scored, ["number"])["by"]["number"]) == 36


def test_an_unknown_property_or_protocol_lists_the_known_ones(record):
    with pytest.raises(ConfigError, match=r"--by lenght: .*Did you mean 'length'.*There is: length, source"):
        make_report(from_record(record), ["lenght"])
    with pytest.raises(ConfigError, match=r"--protocol clothes-change: .*There are: standard"):
        from_record(record, "clothes-change")


def test_other_captions_than_the_records_are_refused(record, tmp_path):
    other = imagine(tmp_path / "other", identities=13)
    with pytest.raises(DataError, match=r"other/.*human.jsonl: not the captions .* was made from.*--data"):
        from_record(record, root=other.root)


def test_captions_that_are_not_here_are_asked_for_and_not_made(record, tmp_path):
    with pytest.raises(DataError, match=r"nowhere/.*human.jsonl: no such file. Create it with: .*--data"):
        from_record(record, root=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@each_case("record")
def test_a_strangers_record_is_refused_or_read(case):
    # Ranks that unpack to gigabytes are refused by the reader of evidence, and tested with it.
    if is_record(case) and (case / "ranks.npz").stat().st_size < 1 << 18:
        error = refusal(from_record, case)
        assert error is None or str(case) in str(error) or "human.jsonl" in str(error)


def test_a_record_that_contradicts_itself_is_refused(record):
    edit_ranks(record, lambda arrays: arrays["standard/ranks"].__iadd__(0))
    edit(record, lambda found: found["results"]["standard"]["scores"].update({"R@1": 99.0}))
    with pytest.raises(DataError, match=r"results.standard.scores.R@1: the record says 99.0, the ranks give"):
        from_record(record)
    edit(record, lambda found: found.pop("spec"))
    with pytest.raises(DataError, match=r"record.json: .*spec"):
        from_record(record)
