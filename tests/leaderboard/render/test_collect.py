"""A folder of records as a board: odd records are left out and named, other query texts are not ranked together."""

import csv
import io
import json
import shutil

import pytest

from tbpsbench.errors import DataError, StorageError
from tbpsbench.leaderboard.compare.compare import compare
from tbpsbench.leaderboard.compare.system import find_system
from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.board import marks_of
from tbpsbench.leaderboard.render.collect import collect

from ..factory import edit, imagine, make, read


@pytest.fixture
def records(tmp_path):
    imagined = imagine(tmp_path / "data")
    for name, skill in (("good", 2.0), ("better", 3.0)):
        make(tmp_path / "runs" / name, imagined, name=name, skill=skill)
        shutil.copytree(tmp_path / "runs" / name / "record", tmp_path / "records" / name)
    return tmp_path / "records"


def rows_of_csv(folder):
    return list(csv.DictReader(io.StringIO((folder / "board.csv").read_text(encoding="utf-8"))))


def other(records, name, change, **kwargs):
    shutil.copytree(records / "good", records / name)
    edit(records / name, change, **kwargs)


def many_columns(result):
    result["scores"] |= {f"R@{n}": 1.0 for n in range(200)}
    result["intervals_95"] |= {f"R@{n}": [0.0, 2.0] for n in range(200)}


ODD = {
    "cost.peak_memory_bytes": lambda r: r["cost"].update(peak_memory_bytes=[1, 2]),
    "cost.train_s": lambda r: r["cost"].update(train_s={"hours": 3}),
    "cost.parameters": lambda r: r["cost"].update(parameters=-5),
    "does not fit into 64 bits": lambda r: r["cost"].update(parameters=10**400),
    "Infinity is not a number": lambda r: r["cost"].update(train_s=float("inf")),
    "lone surrogate U+D800": lambda r: r["environment"].update(device="\ud800"),
    "results.standard.intervals_95": lambda r: r["results"]["standard"]["intervals_95"].update({"R@7": [1, 2]}),
    "selection.history": lambda r: r["selection"].update(history=[3]),
    "selection.queries": lambda r: r["selection"].update(queries="many"),
    "suite.seeds": lambda r: r["suite"].update(seeds=list(range(5000))),
    "config.evaluation.protocols": lambda r: r["config"]["evaluation"].update(protocols=[]),
    "name no file with the captions": lambda r: r["data"].update(sources=[]),
    "results.standard.scores": lambda r: many_columns(r["results"]["standard"]),
    "results.standard.queries": lambda r: r["results"]["standard"].update(queries=-3),
}  # fmt: skip


@pytest.mark.parametrize("why", ODD)
def test_an_odd_record_is_named_and_the_others_are_shown(tool, records, tmp_path, why):
    other(records, "odd", ODD[why])
    code, _, err = tool("leaderboard", "render", records, "--out", tmp_path / "board")
    assert code == 0, "an odd record must not keep others from their board"
    assert f"left out: odd: {records / 'odd' / 'record.json'}: " in err
    assert why in err
    assert "1 of 3 records cannot be shown" in err
    assert {line["system"] for line in rows_of_csv(tmp_path / "board")} == {"good", "better"}


def test_an_empty_board_does_not_take_the_place_of_a_full_one(tool, records, tmp_path):
    tool("leaderboard", "render", records, "--out", tmp_path / "board")
    before = {path.name: path.read_bytes() for path in (tmp_path / "board").iterdir()}
    for name in ("good", "better"):
        (records / name / "record.json").write_text("{")
    code, _, err = tool("leaderboard", "render", records, "--out", tmp_path / "board")
    assert code == 2
    assert "no record can be shown" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "board").iterdir()} == before


def test_a_board_is_written_whole_or_not_at_all(records, tmp_path):
    board = collect(records)
    render(board.rows, board.records, tmp_path / "board", "Old")
    (tmp_path / "board" / "board.tex").unlink()
    (tmp_path / "board" / "board.tex").mkdir()
    before = {path.name: path.read_bytes() for path in (tmp_path / "board").glob("*.*") if path.is_file()}
    with pytest.raises(StorageError, match=r"board\.tex: a folder has this name"):
        render(board.rows, board.records, tmp_path / "board", "New")
    assert {path.name: path.read_bytes() for path in (tmp_path / "board").glob("*.*") if path.is_file()} == before
    assert not list((tmp_path / "board").glob(".*"))


def test_a_title_that_cannot_be_written_is_refused(records, tmp_path):
    with pytest.raises(DataError, match="the title: holds the lone surrogate"):
        render([], {}, tmp_path, "\udcff")


def test_a_folder_that_is_not_utf8_is_named(records):
    shutil.copytree(records / "good", records / "\udcff")
    found = collect(records).found
    assert [why for _, why in found.left_out] == [
        "the folder's name: holds the lone surrogate U+DCFF at character 0, which cannot be written as UTF-8 text. "
        "Remove it."
    ]
    found.report().encode("utf-8")


def ask_other_texts(record):
    record["name"] = "other texts"
    source = next(source for source in record["data"]["sources"] if source["role"] == "captions")
    source["sha256"] = "b" * 64


def test_systems_that_were_asked_other_texts_are_not_ranked_together(records, tmp_path):
    for score in (record["results"]["standard"]["scores"] for record in map(read, records.iterdir())):
        assert score["R@1"] < 99
    other(records, "other", ask_other_texts)
    edit(records / "other", lambda r: r["results"]["standard"]["scores"].update({"R@1": 99.5}))
    board = collect(records)
    by_name = {row.system: row for row in board.rows}
    assert by_name["other texts"].data == "MiniPEDES (query texts bbbbbbbb)"
    assert by_name["other texts"].trained_on == by_name["other texts"].data, "no transfer"
    assert "not comparable" in by_name["other texts"].note
    assert by_name["good"].data == by_name["better"].data == "MiniPEDES"
    assert by_name["good"].note == ""
    same = [row for row in board.rows if row.data == "MiniPEDES"]
    best = [same[at].system for (at, column), mark in marks_of(same).items() if (column, mark) == ("R@1", "best")]
    assert best == ["better"]
    render(board.rows, board.records, tmp_path / "board", "T")
    text = (tmp_path / "board" / "board.md").read_text(encoding="utf-8")
    assert "## MiniPEDES, standard" in text
    assert "## MiniPEDES (query texts bbbbbbbb), standard" in text
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    packed = json.loads(page.split('id="board-data">')[1].split("</script>")[0])
    assert "MiniPEDES (query texts bbbbbbbb)" in packed["texts"]


def test_seeds_that_were_asked_other_texts_are_another_row(records):
    other(records, "seed", lambda r: (ask_other_texts(r), r.update(name="good", seed=1)))
    rows = [row for row in collect(records).rows if row.system == "good"]
    assert sorted((row.data, row.seeds) for row in rows) == [
        ("MiniPEDES", (0,)),
        ("MiniPEDES (query texts bbbbbbbb)", (1,)),
    ]


def test_comparing_systems_that_were_asked_other_texts_is_refused(records):
    other(records, "other", ask_other_texts)
    places = [find_system(name, records) for name in ("good", "other texts")]
    with pytest.raises(DataError, match="annotation file"):
        compare(*places)
    assert any("annotation file differs" in note for note in compare(*places, allow=["annotations"]).notes)


def test_a_damaged_record_of_another_system_does_not_stop_a_comparison(records):
    other(records, "odd", lambda r: (r.update(name="odd"), r["cost"].update(peak_memory_bytes=[1])))
    (records / "worse").mkdir()
    (records / "worse" / "record.json").write_text("{")
    assert compare(find_system("good", records), find_system("better", records)).report()
    with pytest.raises(DataError, match=r"odd: not all of its records can be compared\nleft out: odd: .*peak_memory"):
        find_system("odd", records)


def test_a_comparison_misses_no_seed_in_silence(records):
    shutil.copytree(records / "good", records / "good_seed-1_12345678")
    (records / "good_seed-1_12345678" / "record.json").write_text('{"name": "good"')
    with pytest.raises(DataError, match="good_seed-1_12345678"):
        find_system("good", records)


@pytest.mark.parametrize("name", ["x" * 300, "\0", "[/bold]", "x/" * 3000])
def test_any_text_may_be_asked_for_as_a_system(records, name):
    with pytest.raises(DataError, match="no record of"):
        find_system(name, records)


def test_a_copy_of_a_run_is_no_second_seed(records, tmp_path):
    once = next(row for row in collect(records).rows if row.system == "good" and row.protocol == "standard")
    shutil.copytree(records / "good", records / "good-again")
    row = next(row for row in collect(records).rows if row.system == "good" and row.protocol == "standard")
    assert (row.seeds, row.scores, row.records) == (once.seeds, once.scores, once.records)
    assert row.note == "not counted, since it is a copy: good-again"


def test_two_spellings_of_a_number_are_one_row(records):
    """1 and 1.0 in the configs of two seeds: each record keeps the hash of what its config says."""
    edit(records / "good", lambda r: r["config"]["runtime"].update(clip_grad_norm=1), hashes=True)
    again = imagine(records.parent / "again")
    for seed, norm in ((1, "1.0"), (2, "1.5")):
        made = make(records.parent / f"good-{seed}", again, name="good", seed=seed)
        shutil.copytree(made, records / f"good-{seed}")
        change = float(norm)
        edit(records / f"good-{seed}", lambda r, x=change: r["config"]["runtime"].update(clip_grad_norm=x), hashes=True)
    rows = [row for row in collect(records).rows if row.system == "good"]
    assert sorted((row.seeds, row.records) for row in rows) == [((0, 1), ("good", "good-1")), ((2,), ("good-2",))]
    assert len({read(records / name)["system_sha256"] for name in ("good", "good-1")}) == 2
