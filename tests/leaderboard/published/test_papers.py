"""The papers' tables against the published CSVs: a row or number that differs, lacks or is too many is found."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.published.papers import check_against_papers, paper_files, read_paper
from tbpsbench.leaderboard.published.read import COLUMNS

FOLDER = Path("benchmarks/published")
PAPERS = FOLDER / "printed"
LINE = {
    "system": "A", "data": "RSTPReid", "trained_on": "RSTPReid", "protocol": "standard", "track": "dual-encoder",
    "selection": "test", "backbone": "ViT", "citation": "Doe, 2023", "venue": "unknown", "year": "2023",
    "source": "paper 900", "table": "Table 1",
}  # fmt: skip
PAPER = """All experiments are performed on CUHK-PEDES here.

Table 1. Two systems on RSTPReid.

Method\tRef.\tMTG\tR-1(%) $\\uparrow$\tR-5\tmAP ↑
Old ones:\t\t\t\t\t
A [1]\tICCV'23\t✓\t<u>50.10</u>\t**70.20**\t-
B (Roe et al., 2024a)\tCVPR'24\t\t51.10\t71.20\t41.00

Table 2: Both data sets.

Method\tBackbone\tICFG-PEDES\t\tRSTPReid\t
\t\tR@1\tmAP\tR@1\tmAP
C\tViT\t1.00\t2.00\t3.00\t4.00

Table 3. An ablation.

Method\tRank-10
D\t9.00

- [1] Jane Doe. A title, 2023. 4
"""


def write(folder, *changes, name="one.csv"):
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**LINE, **change} for change in changes)
    return folder


def toy(tmp_path, text=PAPER):
    """A paper and the CSV that says the same."""
    papers = tmp_path / "papers"
    papers.mkdir(exist_ok=True)
    (papers / "900_toy.txt").write_text(text, encoding="utf-8")
    table = {"table": "Table 2", "printed": "C", "citation": "unknown"}
    folder = write(
        tmp_path / "csv",
        {"printed": "A [1] + MTG", "R@1": "50.10", "R@5": "70.20", "venue": "ICCV"},
        {"printed": "B (Roe et al., 2024a)", "R@1": "51.10", "R@5": "71.20", "mAP": "41.00", "venue": "CVPR",
         "year": "2024", "citation": "Roe et al., 2024a"},
        {**table, "data": "ICFG-PEDES", "R@1": "1.00", "mAP": "2.00"},
        {**table, "R@1": "3.00", "mAP": "4.00"},
        {**table, "table": "Table 3", "printed": "D", "data": "CUHK-PEDES", "R@10": "9.00"},
    )  # fmt: skip
    return folder, papers


def test_committed_files_agree_with_the_papers():
    assert check_against_papers(FOLDER, PAPERS) == []
    tables = {row.key[:2] for path in paper_files(PAPERS) for row in read_paper(path)}
    assert tables == {
        *(("BDAM", f"Table {n}") for n in range(1, 6)),
        *(("CTGI", f"Table {n}") for n in range(1, 5)),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",79.93,92.95,", ",79.39,92.95,", "R@1 is 79.39 here and 79.93"),
        ("HAM,HAM [16],RSTPReid", "HAM,HAM [17],RSTPReid", "'HAM [17]' on RSTPReid in Table 5 of BDAM"),
    ],
)  # fmt: skip
def test_a_changed_number_or_name_is_found(tmp_path, old, new, message):
    folder = Path(shutil.copytree(FOLDER, tmp_path / "published"))
    path = folder / "bdam_table-5_state-of-the-art.csv"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(message in problem for problem in check_against_papers(folder, PAPERS))


def test_any_row_left_out_is_found(tmp_path):
    tables = sorted(FOLDER.glob("*_table-*.csv"))
    assert len(tables) == 9
    for path in tables:
        folder = Path(shutil.copytree(FOLDER, tmp_path / path.stem))
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / path.name).write_text("".join(lines[:-1]), encoding="utf-8")
        (problem,) = check_against_papers(folder, PAPERS)
        assert "no line of" in problem


# ------------------------------------------------------------------ against the papers


def test_toy_paper_agrees(tmp_path):
    assert check_against_papers(*toy(tmp_path)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("50.10", "50.11", "R@1 is 50.10 here and 50.11 in"),
        ("3.00\t4.00", "4.00\t3.00", "'C' on RSTPReid in Table 2 of paper 900: mAP is 4.00 here and 3.00 in"),
        ("71.20\t41.00", "71.20\t-", "mAP is 41.00 here and empty in"),
        ("\t-\n", "\t40.00\n", "mAP is empty here and 40.00 in"),
        ("\t✓\t", "\t\t", "'A [1] + MTG' on RSTPReid in Table 1 of paper 900: the paper has no such row"),
        ("D\t9.00\n", "D\t9.00\nE\t8.00\n", "'E' on CUHK-PEDES in Table 3 of paper 900: no line of"),
        ("D\t9.00\n", "D\t9.00\nD\t9.00\n", "'D' on CUHK-PEDES in Table 3 of paper 900 is already in"),
        ("C\tViT", "C\tRN50", "backbone is ViT here and RN50 in"),
        ("ICCV'23", "ICCV'22", "venue is ICCV'23 here and ICCV'22 in"),
        ("2024a)", "2024b)", "the paper has no such row"),
        ("Jane Doe", "Jane Roe", "citation is Doe, 2023 here and reference [1] is 'Jane Roe."),
        ("- [1] Jane", "Jane", "reference [1] is not in the paper's list"),
    ],
)
def test_every_difference_is_a_problem(tmp_path, old, new, message):
    assert PAPER.count(old) == 1
    problems = check_against_papers(*toy(tmp_path, PAPER.replace(old, new)))
    assert any(message in problem for problem in problems), problems


def test_a_citation_other_than_the_printed_one_is_a_problem(tmp_path):
    folder, papers = toy(tmp_path)
    path = folder / "one.csv"
    path.write_text(path.read_text().replace(',"Roe et al., 2024a",', ',"Poe et al., 2024a",'))
    (problem,) = check_against_papers(folder, papers)
    assert "one.csv:3: " in problem
    assert "citation is Poe et al., 2024a here and Roe et al., 2024a in" in problem


def test_a_missing_paper_is_a_problem(tmp_path):
    folder, papers = toy(tmp_path)
    write(folder, {"source": "paper 901", "printed": "A", "R@1": "1.00"}, name="two.csv")
    assert check_against_papers(folder, papers) == [f"{papers}: no text of paper 901"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Rank-10", "Rank-20", r"900_toy\.txt:18: unknown headings: \['Rank-20'\]"),
        ("D\t9.00", "D\t9,00", r"900_toy\.txt:19: column 'Rank-10': '9,00' is neither a number nor '-'"),
        ("D\t9.00", "D\t9.00\t1", r"900_toy\.txt:19: 3 cells under 2 headings"),
        ("D\t9.00", "", r"Table 3 has a caption and no rows"),
        ("performed on CUHK-PEDES", "performed on it", r"column 'Rank-10' belongs to no known data set"),
    ],
)
def test_a_table_that_is_not_understood_is_an_error(tmp_path, old, new, message):
    assert old in PAPER
    with pytest.raises(DataError, match=message):
        check_against_papers(*toy(tmp_path, PAPER.replace(old, new)))


# ------------------------------------------------------------------ the script


def script(*arguments):
    command = [sys.executable, "benchmarks/check_published.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_script_compares_the_committed_files_with_the_papers_tables():
    done = script("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ratios"] == {}
    assert {name: paper["tables"] for name, paper in result["papers"].items()} == {"BDAM": 5, "CTGI": 4}


def test_a_folder_without_papers_is_a_problem(tmp_path):
    done = script("--papers", tmp_path)
    assert done.returncode == 1
    assert f"PROBLEM {tmp_path}: no text of CTGI" in done.stdout


def test_script_exits_1_on_a_problem_and_rewrites_the_conflicts(tmp_path):
    folder, papers = toy(tmp_path)
    (folder / "conflicts.csv").write_text("old\n")
    done = script("--published", folder, "--papers", papers)
    assert done.returncode == 1
    assert "PROBLEM" in done.stdout
    assert "--write-conflicts" in done.stdout
    assert "3 tables, 5 rows and 10 numbers compared" in done.stdout
    done = script("--published", folder, "--papers", papers, "--write-conflicts")
    assert done.returncode == 0, done.stdout
    (folder / "one.csv").unlink()
    done = script("--published", folder, "--papers", papers)
    assert done.returncode == 1
    assert "no CSV files" in done.stderr


def test_a_paper_that_is_no_text_is_named(tmp_path):
    (tmp_path / "900_toy.txt").write_bytes(b"Table 1: x\n\xff")
    with pytest.raises(DataError, match=r"900_toy\.txt:2: not a text file in UTF-8"):
        read_paper(tmp_path / "900_toy.txt")
