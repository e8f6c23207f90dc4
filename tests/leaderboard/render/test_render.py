"""Boards as files: the same bytes every time, the right marks, and no name that breaks a format."""

import csv
import html
import io
import json
import math
import random
import re
import shutil
import subprocess
from importlib import import_module

import pytest

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.render import markdown, render
from tbpsbench.leaderboard.render.board import columns_of, marks_of, sorted_rows, tables_of
from tbpsbench.leaderboard.render.latex import escape as latex_escape
from tbpsbench.leaderboard.render.latex import latex_text
from tbpsbench.leaderboard.render.numbers import quantity
from tbpsbench.leaderboard.render.rows import COSTS, Row, Score, rows_of

HOSTILE = [
    "</script><script>hacked=1</script><b>x</b><!--",
    "a|b `c` *d* _e_ [f](javascript:hacked=1) $g$ <img src=x onerror=hacked=1> &amp;",
    r"\input{x} 50% #1 $x$ {y} ~^_& [15] * “é” 人 α±",
    '=HYPERLINK("x")',
    "line\nbreak\u2028and\u2029more",
]


@pytest.fixture
def make_records(monkeypatch):
    """Synthetic records of the benchmark."""
    monkeypatch.syspath_prepend("benchmarks")
    return import_module("leaderboard_page").make_records


def row(system, scores, **changes):
    """A row; scores are means or (mean, std, low, high)."""
    values = {
        "data": "D",
        "trained_on": "D",
        "protocol": "standard",
        "track": "dual-encoder",
        "selection": "val",
        "status": "measured",
        **changes,
    }
    found = {key: Score(*value) if isinstance(value, tuple) else Score(value) for key, value in scores.items()}
    return Row(system=system, scores=found, **values)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def embedded(page, name):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)[1])


def test_same_rows_give_the_same_bytes_in_any_order(tmp_path, make_records):
    records = make_records(30, 3)
    rows = [*rows_of(records), row("paper", {"R@1": 50.0}, status="reported", year=2023, citation="A et al.")]
    paths = render(rows, dict(records), tmp_path / "a", "Title")
    random.Random(0).shuffle(rows)
    random.Random(1).shuffle(records)
    render(rows, dict(records), tmp_path / "b", "Title")
    assert [path.name for path in paths] == ["index.html", "board.md", "board.csv", "board.tex"]
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert set(files(tmp_path / "a")) == {path.name for path in paths}, "nothing else is left behind"


def test_best_and_second_best_per_track_and_training_data():
    rows = [
        row("a", {"R@1": 50.004, "mAP": 10.0}),
        row("b", {"R@1": 50.001, "mAP": 30.0}),
        row("c", {"R@1": 49.0, "mAP": 20.0}),
        row("d", {"R@1": 48.0}),
        row("e", {"R@1": 90.0, "mAP": 90.0}, track="rerank"),
        row("f", {"R@1": 95.0}, badges=("leak allowed",)),
        row("g", {"R@1": 20.0}, trained_on="other"),
        row("h", {"R@1": 10.0}, trained_on="other"),
        row("i", {"R@1": 30.0}, trained_on=""),
    ]
    marks = {(rows[at].system, column): mark for (at, column), mark in marks_of(rows).items()}
    assert marks == {
        ("a", "R@1"): "best",  # printed the same as b's
        ("b", "R@1"): "best",
        ("c", "R@1"): "second",
        ("b", "mAP"): "best",
        ("c", "mAP"): "second",
        ("g", "R@1"): "best",
        ("h", "R@1"): "second",
    }, "d lacks mAP, e is alone in its track, f saw the answers, i counts as trained on its own data"


def test_rows_stand_by_data_protocol_track_and_score():
    rows = [
        row("clothes", {"R@1": 9.0}, protocol="clothes-change"),
        row("low", {"R@1": 1.0}),
        row("none", {"mAP": 1.0}),
        row("high", {"R@1": 2.0}),
        row("transfer", {"R@1": 9.0}, trained_on="E"),
        row("rerank", {"R@1": 9.0}, track="rerank"),
        row("first", {"R@1": 0.0}, data="C"),
    ]
    assert [each.system for each in sorted_rows(rows)] == [
        "first", "high", "low", "none", "transfer", "rerank", "clothes",
    ]  # fmt: skip


def test_a_metric_of_others_decides_no_order():
    rows = [row("best", {"R@1": 90.0, "R@10": 95.0}), row("sly", {"²": 99.0, "0": 99.0, "9" * 90: 1.0, "R@1": 1.0})]
    assert [each.system for each in sorted_rows(rows)] == ["best", "sly"]
    assert columns_of(rows) == ["R@1", "R@10", "0", "9" * 90, "²"]


def test_markdown_says_spread_seeds_and_status():
    rows = [
        row("ours", {"R@1": (50.0, 1.25, 45.0, 55.0)}, seeds=(0, 1), missing_seeds=(2,), cost={"parameters": 899712}),
        row("one seed", {"R@1": 40.0}, seeds=(0,), badges=("selected on test",)),
        row("theirs", {"R@1": 45.5}, status="reported", citation="Doe, 2023", venue="CVPR", year=2023, note="by hand"),
    ]
    lines = markdown.markdown_text(tables_of(sorted_rows(rows)), "T").splitlines()
    assert lines[0] == "# T"
    assert lines[2] == "## D, standard"
    start = lines.index("| System | Track | Selection | Seeds | R@1 | Parameters | Status |")
    assert lines[start + 2 : start + 5] == [
        "| ours | dual-encoder | val | 2 of 3 | **50.00** ± 1.25 | 900 k | measured |",
        "| theirs | dual-encoder | val | – | *45.50* | – | reported (Doe, 2023, CVPR), note 1 |",
        "| one seed | dual-encoder | val | 1 | 40.00 | – | measured, selected on test |",
    ]
    assert lines[start + 6] == "- note 1: by hand"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(tmp_path, make_records, name):
    records = make_records(2, 1)
    for _, record in records:
        record |= {"name": name, "spec": record["spec"] | {"data": name, "trained_on": name}}
        record["config"] = record["config"] | {"optimizer": {"type": name}}
    reported = row(name, {"R@1": 1.0}, status="reported", citation=name, source=name, note=name, badges=(name,))
    render([*rows_of(records), reported], dict(records), tmp_path, name)
    found = {key: value.decode() for key, value in files(tmp_path).items()}
    page = found["index.html"]
    assert page.lower().count("<script") == page.lower().count("</script") == 4
    assert embedded(page, "board-data")["texts"][0] == name
    assert {"type": name} in embedded(page, "detail-data")["shared"]
    for markup in ("<b>x", "<img", "<!--"):
        assert markup not in page
        assert markup not in found["board.md"]
    assert html.escape(name) in page
    tables = [line for line in found["board.md"].splitlines() if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    assert len(bars) <= 2, "every row of a table has as many cells as its heading"
    lines = list(csv.DictReader(io.StringIO(found["board.csv"])))
    assert {line["system"].removeprefix("'") for line in lines} == {name}
    assert not any(line["system"].startswith("=") for line in lines)


def test_signs_that_steer_a_terminal_or_turn_text_round_are_written_as_codes():
    assert markdown.escape("a\x1b[31mb\u202ec\x07") == r"a\\x1b\[31mb\\u202ec\\x07"
    assert markdown.escape(" # no heading") == r"\# no heading"


def test_csv_holds_everything(tmp_path, make_records):
    records = make_records(6, 3)
    about = {"status": "reported", "year": 2024, "note": 'say "x",\nthen y', "badges": ("a", "b")}
    paper = row("p", {"R@1": (1.23456789, 0.5)}, **about)
    rows = sorted_rows([*rows_of(records), paper])
    render(rows, dict(records), tmp_path, "T")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "board.csv").read_text(encoding="utf-8"))))
    assert len(lines) == len(rows)
    for line, each in zip(lines, rows, strict=True):
        for key in ("system", "data", "trained_on", "protocol", "track", "selection", "status", "note", "citation"):
            assert line[key] == getattr(each, key)
        assert line["year"] == ("" if each.year is None else str(each.year))
        assert tuple(map(int, filter(None, line["seeds"].split("; ")))) == each.seeds
        assert line["badges"] == "; ".join(each.badges)
        for column, score in each.scores.items():
            cells = [line[column + part] for part in ("", " std", " low", " high")]
            values = [None if cell == "" else float(cell) for cell in cells]
            expected = (score.mean, score.std, score.low, score.high)
            assert values == [None if value is None else pytest.approx(value, rel=1e-9) for value in expected]
        for key in COSTS:
            assert line[key] == "" if key not in each.cost else float(line[key]) == pytest.approx(each.cost[key])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (899_712, "", "900 k"), (86_190_000, "", "86.2 M"), (1.6e13, "", "16.0 T"), (0, "", "0.00"),
        (999_999, "", "1.00 M"),
        (961_716_224, "bytes", "962 MB"), (787.5, "1/s", "788/s"), (12_345, "1/s", "12.3 k/s"), (1.38, "s", "1.38 s"),
        (143, "s", "2.38 min"), (39_000, "s", "10.8 h"), (5300, "J", "5.30 kJ"),
    ],
)  # fmt: skip
def test_costs_are_short(value, unit, text):
    assert quantity(value, unit) == text


def test_a_config_is_kept_once_per_system(tmp_path, make_records):
    records = make_records(9, 3)
    render(rows_of(records), dict(records), tmp_path, "T")
    detail = embedded((tmp_path / "index.html").read_text(encoding="utf-8"), "detail-data")
    assert len(detail["records"]) == 9
    assert len(detail["configs"]) == 3
    models = [value for value in detail["shared"] if value == records[0][1]["config"]["model"]]
    assert len(models) == 1, "parts that systems share are kept once, too"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_are_refused(tmp_path, make_records, value):
    with pytest.raises(DataError, match="mAP of 'a' on D"):
        render([row("a", {"mAP": value})], {}, tmp_path, "T")
    records = make_records(1, 1)
    records[0][1]["selection"] |= {"score": value}
    with pytest.raises(DataError, match="system-00000_seed-0: a number in the record is not finite"):
        render(rows_of(records), dict(records), tmp_path, "T")
    assert not list(tmp_path.iterdir()), "all or nothing"


def test_a_board_without_rows_says_so(tmp_path):
    render([], {}, tmp_path, "Empty")
    assert "No rows yet." in (tmp_path / "board.md").read_text(encoding="utf-8")
    assert "No rows yet." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_rows_without_their_records_are_shown(tmp_path, make_records):
    rows = rows_of(make_records(2, 1))
    render(rows, {}, tmp_path, "T")
    board = embedded((tmp_path / "index.html").read_text(encoding="utf-8"), "board-data")
    assert all(number is None for packed in board["rows"] for number, _ in packed[-1])


def test_page_asks_for_nothing_from_elsewhere(tmp_path, make_records):
    records = make_records(3, 3)
    render(rows_of(records), dict(records), tmp_path, "T")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)=(?!"data:,"|"board\.)[^>]+', page.split("<script")[0])
    assert not re.search(r"@import|url\(|fetch\(|innerHTML|eval\(", page)


def test_latex_marks_and_escapes():
    rows = [row("a_b", {"R@1": (50.0, 1.0)}), row("50% & more", {"R@1": 40.0}), row("c", {"R@1": 30.0})]
    text = latex_text(tables_of(sorted_rows(rows)), "T")
    assert r"a\_b & dual-encoder & val & -- & \textbf{50.00}\,{\scriptsize$\pm$\,1.00} & measured \\" in text
    assert r"50\% \& more & dual-encoder & val & -- & \underline{40.00} & measured \\" in text
    assert r"\label{tab:d-standard}" in text
    assert latex_escape("人 é \\") == r"[U+4EBA] é \textbackslash{}"


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex: apt-get install texlive-latex-recommended"
)
def test_latex_compiles_whatever_the_names_hold(tmp_path):
    letters = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x180)]))
    rows = [row(name, {"R@1": 1.0}, note=name, data=data) for name in [*HOSTILE, letters] for data in ("D", "[E] d")]
    (tmp_path / "board.tex").write_text(latex_text(tables_of(sorted_rows(rows)), HOSTILE[2]), encoding="utf-8")
    preamble = r"\documentclass{article}\usepackage{booktabs}\usepackage[T1]{fontenc}"
    (tmp_path / "main.tex").write_text(preamble + r"\begin{document}\input{board}\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
