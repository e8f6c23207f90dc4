"""CSV that a spreadsheet opens: names stay names, in their own cell and row, and numbers stay numbers."""

import csv
import io

import pandas as pd
import pytest

from tbpsbench.leaderboard.published.read import Conflict, conflicts_csv
from tbpsbench.leaderboard.render.csv_text import csv_lines, csv_text
from tbpsbench.leaderboard.render.rows import Row, Score

FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "\u00a0=1+1", "\u3000=1+1", "\u200b=1+1",
    "\ufeff=1+1", "\n=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(A1)", "−1+1", "﹦1+1", "  \r\n ＝1+1", "\x0b=1+1",
    "-", "=",
]  # fmt: skip
PLAIN = ["IRRA", "R@1", "a=b", "1-2", "x\u2028y", "' quoted", "", "人", "two-tower (ours)", "-1", "-0.5", "3e-05"]


def row(name, **changes):
    about = {"data": name, "trained_on": name, "protocol": name, "track": name, "selection": name, "status": "measured"}
    about |= {"scores": {"R@1": Score(-1.5, 0.25, -2.0, -1.0)}, "badges": (name,), "note": name}
    return Row(system=name, **{**about, **changes})


@pytest.mark.parametrize("text", FORMULAS)
def test_a_name_is_no_formula(text):
    cell = next(csv.reader(io.StringIO(csv_lines([[text, "next"]]))))[0]
    assert cell.startswith("'")
    assert cell.removeprefix("'") == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_formula_stays_as_it_is(text):
    assert next(csv.reader(io.StringIO(csv_lines([[text, "next"]])))) == [text, "next"]


def test_numbers_stay_numbers():
    assert csv_lines([[-1, -0.5, 3, 1e-5, None, 1 / 3]]) == "-1,-0.5,3,1e-05,,0.3333333333\n"


@pytest.mark.parametrize("text", [*FORMULAS, "a\r=HYPERLINK(1),b", "a\r\n=1", "\rx", 'say "x"\r'])
def test_every_line_of_a_board_is_a_row_of_it(text):
    metric = {text: Score(1.0)}
    rows = [row("first"), row(text, scores=metric, citation=text, source=text, records=(text,)), row("last")]
    board = csv_text(rows)
    assert "\r" not in board
    for cells in csv.reader(io.StringIO(board)):
        for cell in cells:
            assert not cell.strip().startswith(("=", "+", "@", "＝", "＋", "－", "＠"))
            assert not cell.strip().startswith("-") or float(cell) < 0
    frame = pd.read_csv(io.StringIO(board))
    assert len(frame) == 3, "as pandas reads it, for which a carriage return ends a row"
    assert frame["R@1"].dropna().tolist() == [-1.5, -1.5]


def test_conflicts_of_publications_are_written_alike():
    conflict = Conflict("=1+1", "CUHK-PEDES", "", "standard", "dual-encoder", "R@1", ((1.0, ("a\rb",)), (2.0, ("@c",))))
    lines = list(csv.reader(io.StringIO(conflicts_csv([conflict]))))
    assert lines[1] == ["'=1+1", "CUHK-PEDES", "", "standard", "dual-encoder", "R@1", "1.00", "a\nb"]
    assert lines[2][-1] == "'@c"
