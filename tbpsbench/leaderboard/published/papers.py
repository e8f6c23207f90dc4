"""The tables in the papers' text, and whether the published CSVs say the same, row for row and number for number.

A paper is a text file `NNN_*.txt`; the CSVs use its short name. A table is a line "Table N: caption" (or "Table N."),
blank lines, then lines of cells separated by tabs. Everything in a table must be understood, or reading it fails: a
check that skips is no check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.published.read import DATA, NUMBER, SCORES, Line, read_lines
from tbpsbench.reading import read_lines as text_lines

# Number of a text -> the paper's short name in the CSVs and on the board (docs/sources.md); others are "paper NNN".
SHORT_NAMES = {"000": "BDAM", "004": "CTGI"}
CAPTION = re.compile(r"Table (\d+)[.:] ")
# Where neither caption nor heading names the data, the paper says it once for all ablations.
ABLATIONS_ON = re.compile(r"experiments are performed on (\S+)")
HEADINGS = {
    "Method": "label", "Methods": "label", "Backbone": "backbone", "Ref.": "venue", "Image Enc.": "image",
    "Text Enc.": "text", "MTG": "mark", "MTI": "mark", "mAP": "mAP",
    **{f"{name}{k}": f"R@{k}" for name in ("R-", "R@", "Rank-") for k in (1, 5, 10)},
}  # fmt: skip
MARKUP = re.compile(r"</?u>|\*\*|\(%\)|\$[^$]*\$|[↑↓]")
IN_PARENTHESES = re.compile(r"\(([^()]+, \d{4}[a-z]?)\)")
IN_BRACKETS = re.compile(r"\[(\d+)\]$")


@dataclass(frozen=True)
class PaperRow:
    """What a paper's table says about one system on one data set.

    Attributes:
        place: "file:line".
        key: source, table, data and the row's label; marked columns are added to the label ("Ours + MTG").
        scores: column -> number as printed, "" for a dash.
        texts: "backbone" and "venue" as printed, where the table has such columns.
        cited: number of the reference in brackets and its text, where the label has one; "" if the list lacks it.
    """

    place: str
    key: tuple[str, str, str, str]
    scores: dict[str, str]
    texts: dict[str, str]
    cited: tuple[str, str] | None


def paper_files(folder: str | Path) -> list[Path]:
    """The papers' texts in `folder`, sorted; empty if there are none."""
    return sorted(Path(folder).glob("[0-9][0-9][0-9]_*.txt"))


def short_name(path: str | Path) -> str:
    """What the CSVs call the paper of a text file in their column `source`."""
    number = Path(path).name[:3]
    return SHORT_NAMES.get(number, f"paper {number}")


def read_paper(path: str | Path) -> list[PaperRow]:
    """Every row of every table of one paper; a row over several data sets becomes one per data set.

    Raises:
        DataError: for anything in a table that is not understood; names file and line.
    """
    path = Path(path)
    lines = text_lines(path)
    text = "\n".join(lines)
    references = dict(re.findall(r"^- \[(\d+)\] (.*)$", text, re.M))
    ablations = ABLATIONS_ON.search(text)
    rows: list[PaperRow] = []
    for start, line in enumerate(lines):
        if caption := CAPTION.match(line):
            named = [name for name in DATA if name in line] or ([ablations[1]] if ablations else [])
            table = (short_name(path), f"Table {caption[1]}")
            rows += _read_table(path, table, lines, start + 1, named[0] if named else "", references)
    return rows


def _read_table(
    path: Path, table: tuple[str, str], lines: list[str], start: int, data: str, references: dict[str, str]
) -> list[PaperRow]:
    while start < len(lines) and not lines[start].strip():
        start += 1
    stop = start
    while stop < len(lines) and "\t" in lines[stop]:
        stop += 1
    grid = [[MARKUP.sub("", cell).strip() for cell in line.split("\t")] for line in lines[start:stop]]
    if len(grid) < 2:
        raise DataError(f"{path}:{start}: {table[1]} has a caption and no rows")
    columns, body = _columns(grid, data, f"{path}:{start + 1}")
    rows = []
    for number, cells in enumerate(grid[body:], start=start + body + 1):
        place = f"{path}:{number}"
        if len(cells) != len(columns):
            raise DataError(f"{place}: {len(cells)} cells under {len(columns)} headings")
        if any(cells[1:]):  # otherwise a heading between groups of rows
            rows += _read_row(place, table, columns, cells, references)
    return rows


def _columns(grid: list[list[str]], data: str, place: str) -> tuple[list[tuple[str, str, str]], int]:
    """(what a column is, its heading, its data set) of every column, and how many lines the headings take."""
    heads, datasets, body = grid[0], [data] * len(grid[0]), 1
    if not grid[1][0]:  # a second line of headings: the first one names data sets, each above its first column
        upper, body = heads, 2
        if len(upper) != len(grid[1]):
            raise DataError(f"{place}: the two lines of headings have {len(upper)} and {len(grid[1])} cells")
        heads = [below or above for above, below in zip(upper, grid[1], strict=True)]
        for index, above in enumerate(upper):
            datasets[index] = above if above in DATA else datasets[index - 1] if index else data
    unknown = [head for head in heads if head not in HEADINGS]
    if unknown or not heads or HEADINGS[heads[0]] != "label":
        raise DataError(f"{place}: unknown headings: {unknown or heads[:1]}. Add them to HEADINGS")
    columns = [(HEADINGS[head], head, name) for head, name in zip(heads, datasets, strict=True)]
    for kind, head, name in columns:
        if kind in SCORES and name not in DATA:
            raise DataError(f"{place}: column {head!r} belongs to no known data set ({name!r})")
    return columns, body


def _read_row(
    place: str,
    table: tuple[str, str],
    columns: list[tuple[str, str, str]],
    cells: list[str],
    references: dict[str, str],
) -> list[PaperRow]:
    label, texts, scores = cells[0], {}, dict[str, dict[str, str]]()
    for (kind, head, data), cell in zip(columns[1:], cells[1:], strict=True):
        if kind == "mark":
            label += f" + {head}" if cell else ""
        elif kind not in SCORES:
            texts[kind] = cell
        elif cell == "-" or NUMBER.fullmatch(cell):
            scores.setdefault(data, {})[kind] = cell.strip("-")
        else:
            raise DataError(f"{place}: column {head!r}: {cell!r} is neither a number nor '-'")
    if "image" in texts:
        texts["backbone"] = f"{texts.pop('image')} + {texts.pop('text')}"
    bracket = IN_BRACKETS.search(cells[0])
    cited = (bracket[1], references.get(bracket[1], "")) if bracket else None
    return [PaperRow(place, (*table, data, label), found, texts, cited) for data, found in scores.items()]


def check_against_papers(folder: str | Path, papers: str | Path) -> list[str]:
    """Compare the CSVs in `folder` with the tables in the text of `papers`, both ways.

    Every row of a paper's table must stand in the CSVs and the other way round, with the same numbers, backbone, venue
    and citation.

    Returns:
        One message per problem; empty if the two agree.

    Raises:
        DataError: if a CSV or a table cannot be read.
    """
    ours = {line.key: line for line in read_lines(folder) if _is_paper(line.cells["source"])}
    theirs: dict[tuple[str, str, str, str], PaperRow] = {}
    problems = []
    for row in (row for path in paper_files(papers) for row in read_paper(path)):
        if row.key in theirs:
            problems.append(f"{row.place}: {_name(row.key)} is already in {theirs[row.key].place}")
        theirs[row.key] = row
    read = {source for source, *_ in theirs}
    problems += [f"{papers}: no text of {source}" for source in {source for source, *_ in ours} - read]
    for key in ours.keys() - theirs.keys():
        if key[0] in read:
            problems.append(f"{ours[key].place}: {_name(key)}: the paper has no such row")
    for key in theirs.keys() - ours.keys():
        problems.append(f"{theirs[key].place}: {_name(key)}: no line of {folder} has it")
    for key in ours.keys() & theirs.keys():
        problems += [f"{ours[key].place}: {_name(key)}: {what}" for what in _differences(ours[key], theirs[key])]
    return sorted(problems)


def _is_paper(source: str) -> bool:
    return source in SHORT_NAMES.values() or source.startswith("paper ")


def _name(key: tuple[str, str, str, str]) -> str:
    source, table, data, label = key
    return f"{label!r} on {data} in {table} of {source}"


def _differences(line: Line, row: PaperRow) -> Iterable[str]:
    cells = line.cells
    for column in SCORES:
        if cells[column] != row.scores.get(column, ""):
            yield f"{column} is {cells[column] or 'empty'} here and {row.scores.get(column) or 'empty'} in {row.place}"
    written = {"backbone": cells["backbone"], "venue": f"{cells['venue']}'{cells['year'][2:]}"}
    for column, text in row.texts.items():
        if written[column] != text:
            yield f"{column} is {written[column]} here and {text} in {row.place}"
    citation = cells["citation"]
    if (named := IN_PARENTHESES.search(cells["printed"])) and citation != named[1]:
        yield f"citation is {citation} here and {named[1]} in {row.place}"
    if row.cited is not None:
        number, reference = row.cited
        surname, year = citation.replace(",", " ").strip().partition(" ")[0], citation[-4:]
        if not reference and f"[{number}]" not in cells["note"]:
            yield f"reference [{number}] is not in the paper's list: say so in the note"
        if reference and not (re.search(rf"\b{re.escape(surname)}\b", reference) and year in reference):
            yield f"citation is {citation} here and reference [{number}] is {reference[:60]!r}"
