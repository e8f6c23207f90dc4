"""A board in Markdown: best bold, second best italic."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from tbpsbench.leaderboard.render.board import Cell, Table, legend_of

# Control characters, and those that turn the direction of all text after them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKS = {"": "{}", "best": "**{}**", "second": "*{}*"}


def markdown_text(tables: Sequence[Table], title: str) -> str:
    """All tables under one heading, with a legend."""
    parts = [f"# {escape(title)}"]
    if not tables:
        parts.append("No rows yet.")
    for table in tables:
        parts += [f"## {escape(table.data)}, {escape(table.protocol)}", _table(table)]
        parts += ["\n".join(f"- note {number}: {escape(note)}" for number, note in enumerate(table.notes, 1))]
    legend = [escape(line) for line in legend_of(tables)]
    parts += ["## How to read this", "\n".join(f"- {line}" for line in ["**Best**, *second best*.", *legend])]
    parts.append("All columns, with 95 % intervals, are in board.csv; index.html can be sorted and filtered.")
    return "\n\n".join(part for part in parts if part) + "\n"


@functools.cache
def escape(text: str) -> str:
    """`text` as it is, whatever signs it holds, on one line; signs that would steer the terminal or turn text round
    become their codes."""
    text = _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], " ".join(text.split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[#+=-])", r"\\\1", text)


def _table(table: Table) -> str:
    lines = [[escape(cell.text) for cell in table.headings]]
    lines.append(["---:" if cell.numeric else "---" for cell in table.headings])
    lines += [[_cell(cell) for cell in cells] for cells in table.lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    value = _MARKS[cell.mark].format(escape(cell.text))
    return f"{value} ± {cell.spread}" if cell.spread else value
