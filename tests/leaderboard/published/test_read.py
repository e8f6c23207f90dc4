"""Published results: they read, agree with the field notes, and every mistake in them is an error."""

import csv
import random
from pathlib import Path

import pytest
from cases import refusal

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.published.read import (
    COLUMNS,
    SCORES,
    conflicts,
    conflicts_csv,
    normal,
    read_lines,
    read_published,
)

FOLDER = Path("benchmarks/published")
FIELD = Path("tests/data/published")
GOOD = {
    "system": "A", "printed": "A [1]", "data": "RSTPReid", "trained_on": "RSTPReid", "protocol": "standard",
    "track": "dual-encoder", "selection": "test", "backbone": "ViT", "R@1": "50.10", "R@5": "70.20", "R@10": "",
    "mAP": "40.00", "mINP": "", "citation": "Doe, 2023", "venue": "unknown", "year": "2023", "source": "paper 900",
    "table": "Table 1", "note": "",
}  # fmt: skip


def write(folder, *changes, name="one.csv"):
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**GOOD, **change} for change in changes)
    return folder


# ------------------------------------------------------------------ the committed files


def test_committed_files_read_as_reported_rows():
    rows = read_published(FOLDER)
    assert len(rows) == len(read_lines(FOLDER)) > 400
    assert {row.status for row in rows} == {"reported"}
    assert all(row.scores and row.source and row.track for row in rows)
    assert all(score.std is None and score.low is None for row in rows for score in row.scores.values())
    ours = next(row for row in rows if row.source == "BDAM, Table 5" and row.system == "BDAM + Mamba")
    assert (ours.data, ours.selection, ours.scores["R@1"].mean, ours.scores["mAP"].mean) == (
        "CUHK-PEDES", "val", 79.93, 72.61,
    )  # fmt: skip
    assert {row.track for row in rows} == {"dual-encoder", "gallery-text", "rerank", "interactive", "unknown"}


def test_a_row_selected_on_test_is_marked_like_a_measured_one():
    rows = read_published(FOLDER)
    assert all((row.badges == ("selected on test",)) == (row.selection == "test") for row in rows)


def test_conflicts_file_is_what_the_code_finds():
    text = (FOLDER / "conflicts.csv").read_text(encoding="utf-8")
    assert text == conflicts_csv(conflicts(read_published(FOLDER))), (
        "python benchmarks/check_published.py --write-conflicts"
    )


def test_the_two_papers_contradict_each_other_and_one_itself():
    found = {(c.system, c.data, c.column): dict(c.values) for c in conflicts(read_published(FOLDER))}
    mAP = found["IRRA", "CUHK-PEDES", "mAP"]
    assert mAP[66.10] == ("BDAM, Table 5",)
    assert "CTGI, Table 1" in mAP[66.13]
    assert found["CTGI (RDE)", "RSTPReid", "mAP"] == {51.51: ("CTGI, Table 3",), 49.66: ("CTGI, Table 4",)}


def test_readme_rows_are_the_list_of_the_field_notes():
    with (FIELD / "leaderboard_seed.csv").open(encoding="utf-8") as stream:
        wanted = [
            (row["dataset"], row["method_as_printed"], row["R1"], row["R5"], row["R10"], row["mAP"], row["mINP"],
             f"{row['source_repo']}@{row['commit']}", f"README line {row['readme_line']}")
            for row in csv.DictReader(stream)
        ]  # fmt: skip
    lines = [line.cells for line in read_lines(FOLDER) if line.cells["source"].startswith("https://")]
    names = ("data", "printed", *SCORES, "source", "table")
    assert [tuple(cells[name] for name in names) for cells in lines] == wanted


def test_every_number_of_the_field_files_stands_in_the_section_and_none_is_left_out():
    printed = (FIELD / "field_numbers.txt").read_text(encoding="utf-8").split()
    lines = [line.cells for line in read_lines(FOLDER) if line.cells["source"].startswith("field notes")]
    assert sorted(cells[column] for cells in lines for column in SCORES if cells[column]) == sorted(printed)


def test_conflicts_of_the_field_notes_between_repositories_are_found():
    found = {(normal(c.system), c.data, c.column) for c in conflicts(read_published(FOLDER))}
    with (FIELD / "conflicts.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if not row["method"].startswith("gtr+"):  # one README, several rows of one name: told apart here
                column = {"R1": "R@1", "R5": "R@5", "R10": "R@10"}.get(row["metric"], row["metric"])
                assert (normal(row["method"]), row["dataset"], column) in found


# ------------------------------------------------------------------ reading


def test_unknown_becomes_what_a_row_says_for_nothing(tmp_path):
    change = dict.fromkeys(("trained_on", "track", "selection", "backbone", "citation", "venue", "year"), "unknown")
    (row,) = read_published(write(tmp_path, change))
    assert (row.trained_on, row.backbone, row.citation, row.venue, row.year) == ("", "", "", "", None)
    assert (row.track, row.selection, row.badges) == ("unknown", "unknown", ())
    assert {column: score.mean for column, score in row.scores.items()} == {"R@1": 50.1, "R@5": 70.2, "mAP": 40.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"track": "rernk"}, "'rernk' is not one of dual-encoder, gallery-text, rerank, interactive, "),
        ({"selection": "best"}, "column 'selection': 'best' is not one of val, last, test, unknown"),
        ({"data": "RSTP"}, "column 'data': 'RSTP' is not one of"),
        ({"trained_on": "MSMT"}, "column 'trained_on': 'MSMT' is not one of"),
        ({"mAP": "-"}, "column 'mAP': '-' is not a percentage"),
        ({"mAP": "100.01"}, "column 'mAP': '100.01' is not a percentage"),
        ({"mAP": "nan"}, "column 'mAP': 'nan' is not a percentage"),
        ({"year": "'23"}, "column 'year': \"'23\" is not a year"),
        ({"venue": ""}, "column 'venue' is empty: write 'unknown'"),
        ({"system": " A"}, "column 'system': line breaks or white space around ' A'"),
        ({"note": "a\nb"}, "column 'note': line breaks"),
        (dict.fromkeys(SCORES, ""), "no number in any of R@1"),
        ({"R@5": "49.00"}, "R@k falls as k grows"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_an_error_with_file_and_line(tmp_path, change, message):
    with pytest.raises(DataError) as caught:
        read_published(write(tmp_path, {"printed": "first"}, change))
    assert str(caught.value).startswith(f"{tmp_path / 'one.csv'}:3: ")
    assert message in str(caught.value)


def test_falling_recall_is_accepted_if_the_source_prints_it(tmp_path):
    assert read_published(write(tmp_path, {"R@5": "49.00", "note": "as printed"}))


def test_a_row_that_stands_twice_is_an_error(tmp_path):
    write(tmp_path, {})
    write(tmp_path, {"R@1": "1.00"}, name="two.csv")
    with pytest.raises(DataError, match=r"two\.csv:2: this row of paper 900, Table 1 is already in .*one\.csv:2"):
        read_published(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"one\.csv: not a CSV table"),
        (b"system,data\nA,B\n", r"one\.csv:1: the columns must be .*missing: \['printed'"),
        (",".join((*COLUMNS, "extra")).encode(), r"unknown: \['extra'\]"),
        (",".join(COLUMNS).encode() + b"\nA,B\n", r"one\.csv:2: column 'data' is empty"),
        (",".join(COLUMNS).encode() + b"\n" + b"A," * 25 + b"\n", r"one\.csv: not a CSV table \(.*line 2"),
        (",".join(COLUMNS).encode() + b"\n\n", r"one\.csv:2: column 'system' is empty"),
        ("Ü".encode("latin-1"), r"one\.csv:1: not a text file in UTF-8"),
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, content, message):
    (tmp_path / "one.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_published(tmp_path)


def test_a_folder_without_tables_is_an_error(tmp_path):
    (tmp_path / "conflicts.csv").write_text("")
    with pytest.raises(DataError, match="no CSV files of published results"):
        read_published(tmp_path)


# ------------------------------------------------------------------ conflicts


def test_conflict_needs_two_sources_one_system_and_one_track(tmp_path):
    rows = read_published(
        write(
            tmp_path,
            {"system": "My-Net"},
            {"system": "mynet (ours)", "source": "paper 901", "R@1": "50.20", "R@10": "80.00"},
            {"system": "mynet", "source": "paper 902"},
            {"system": "mynet+", "source": "paper 903", "R@1": "50.30"},
            {"system": "mynet", "source": "paper 904", "R@1": "50.40", "track": "rerank"},
            {"system": "mynet", "source": "paper 905", "R@1": "50.50", "trained_on": "ICFG-PEDES"},
        )
    )
    (conflict,) = conflicts(rows)
    assert (conflict.system, conflict.column) == ("My-Net", "R@1")
    assert conflict.values == (
        (50.2, ("paper 901, Table 1",)),
        (50.1, ("paper 900, Table 1", "paper 902, Table 1")),
    )
    assert [row.note for row in rows] == [
        "other sources print R@1 50.20", "other sources print R@1 50.10", "other sources print R@1 50.20", "", "", "",
    ]  # fmt: skip
    assert 'RSTPReid,RSTPReid,standard,dual-encoder,R@1,50.20,"paper 901, Table 1"' in conflicts_csv([conflict])


def test_two_rows_of_one_name_in_one_table_are_no_conflict(tmp_path):
    assert not conflicts(read_published(write(tmp_path, {}, {"printed": "again", "R@1": "1.00"})))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_tables_are_refused_by_name_or_read(tmp_path, seed):
    """Bytes changed, removed and put in anywhere: an error that names the file, or rows; no other exception."""
    chance = random.Random(seed)
    whole = (
        write(tmp_path, {}, {"printed": "B [2]", "system": "B", "note": 'says "x", y'}).joinpath("one.csv").read_bytes()
    )
    odd = [
        b"\xff",
        b"\x00",
        b'"',
        b"\n",
        b"\r",
        b",",
        b"=",
        b"\xe2\x80\xa8",
        b"9" * 400,
        b"nan",
        b"\xd9\xa3",
        b"\xef\xbb\xbf",
        b"",
    ]
    refused = 0
    for _ in range(150):
        text = whole
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(odd) + text[at + chance.randint(0, 2) :]
        (tmp_path / "one.csv").write_bytes(text)
        error = refusal(read_published, tmp_path)
        refused += error is not None
        assert error is None or str(tmp_path) in str(error)
    assert refused > 50
