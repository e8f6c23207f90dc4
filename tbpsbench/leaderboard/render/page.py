"""A board as one static page: no server, nothing loaded from elsewhere, readable without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from tbpsbench.leaderboard.render.board import Cell, Table, legend_of
from tbpsbench.leaderboard.render.payload import board_json, detail_json, dumps
from tbpsbench.leaderboard.render.rows import Row
from tbpsbench.records.badges import EXTERNAL

# In the order in which they need each other.
SCRIPTS = ("board.js", "table.js", "chart.js", "dialog.js", "main.js")
_MARKS = {"": "{}", "best": "<b>{}</b>", "second": "<u>{}</u>"}


def page_text(
    rows: Sequence[Row],
    tables: Sequence[Table],
    records: Mapping[str, Mapping[str, Any]],
    title: str,
    records_at: str | None,
) -> str:
    """The whole page. Its policy lets only the scripts and styles run that were put in here, by their hashes."""
    used = {folder: records[folder] for row in rows for folder in row.records if folder in records}
    # Each ends in a line feed of its own, which the template leaves out of the element.
    css, script = _asset("board.css"), '"use strict";\n' + "\n".join(map(_asset, SCRIPTS))
    return Template(_asset("template.html")).substitute(
        title=escape(title),
        lead=escape(_lead(rows)),
        policy=f"default-src 'none'; script-src {_source(script)}; style-src {_source(css)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        css=css,
        script=script,
        legend="\n".join(f"<li>{escape(line)}</li>" for line in legend_of(tables)),
        board=board_json(rows, used, tables),
        detail=detail_json(used),
        records_at=dumps(records_at),
        tables="\n".join(map(_table, tables)) or "<p>No rows yet.</p>",
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _lead(rows: Sequence[Row]) -> str:
    measured, external = (sum(row.status == status for row in rows) for status in ("measured", EXTERNAL))
    scored = f"{_count(external, 'row')} scored from the output of other code, " * bool(external)
    systems, data = len({row.system for row in rows}), len({row.data for row in rows})
    return (
        f"{_count(systems, 'system')} on {_count(data, 'data set')}: {_count(measured, 'row')} measured with this "
        f"toolkit, {scored}{len(rows) - measured - external:,} reported by publications."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _table(table: Table) -> str:
    """A table for readers without JavaScript; end tags that HTML does not need are left out."""
    lines = [f"<h2>{escape(table.data)}, {escape(table.protocol)}</h2>", '<div class="box"><table><thead><tr>']
    lines.append("".join(f"<th{_kind(cell)}>{escape(cell.text)}" for cell in table.headings))
    lines.append("<tbody>")
    lines += ["<tr>" + "".join(f"<td{_kind(cell)}>{_cell(cell)}" for cell in cells) for cells in table.lines]
    lines.append("</table></div>")
    if table.notes:
        lines += ["<ol>", *(f"<li>{escape(note)}" for note in table.notes), "</ol>"]
    return "\n".join(lines)


def _kind(cell: Cell) -> str:
    return " class=n" if cell.numeric else ""


def _cell(cell: Cell) -> str:
    value = _MARKS[cell.mark].format(escape(cell.text))
    return f"{value} <small>± {cell.spread}</small>" if cell.spread else value
