"""A board in LaTeX (booktabs): best bold, second best underlined, one tabular per data set and protocol."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

from tbpsbench.leaderboard.render.board import Cell, Table

_HEAD = """% {title}
% Written by tbpsbench from records; do not edit. Preamble: \\usepackage{{booktabs}}, \\usepackage[T1]{{fontenc}}
% Best in bold, second best underlined, among rows with the same track and the same training data.
"""
_MARKS = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    # After a line's end a bracket or star would be read as an argument.
    **{sign: f"{{{sign}}}" for sign in "[]*"},
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "⋆": r"$\star$",
    "–": "--",
    "—": "---",
    "’": "'",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
}

_LETTERS = frozenset("ÆæÐðØøÞþßĐđıĲĳŁłŊŋŒœ")


def latex_text(tables: Sequence[Table], title: str) -> str:
    """A file for `\\input`: a `table*` with caption and label per table."""
    parts = [_HEAD.format(title=escape(title))]
    labels: set[str] = set()
    for table in tables:
        label = re.sub(r"[^a-z0-9]+", "-", f"{table.data}-{table.protocol}".lower()).strip("-")
        while label in labels:
            label += "-x"
        labels.add(label)
        parts.append(_table(table, label))
    return "\n".join(parts)


@functools.cache
def escape(text: str) -> str:
    """`text` in LaTeX's letters. What pdfLaTeX has no letter for becomes its code point, so that a board compiles."""
    return "".join(_SPECIAL.get(sign) or _letter(sign) for sign in " ".join(text.split()))


def _letter(sign: str) -> str:
    if sign.isascii():
        return sign if sign.isprintable() else ""
    # What the T1 encoding can set: Latin letters with accents, and some that are no letter with an accent.
    accented = ord(sign) < 0x180 and unicodedata.normalize("NFD", sign)[0].isascii()
    return sign if accented or sign in _LETTERS else f"[U+{ord(sign):04X}]"


def _table(table: Table, label: str) -> str:
    columns = "".join("r" if cell.numeric else "l" for cell in table.headings)
    name = f"{escape(table.data)}, {escape(table.protocol)}"
    notes = "".join(f" Note {number}: {escape(note)}." for number, note in enumerate(table.notes, 1))
    lines = [
        r"\begin{table*}[t]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption[{{{name}}}]{{{name}.{notes}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(escape(cell.text) for cell in table.headings) + r" \\",
        r"\midrule",
        *(" & ".join(map(_cell, cells)) + r" \\" for cells in table.lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    value = _MARKS[cell.mark].format(escape(cell.text))
    return rf"{value}\,{{\scriptsize$\pm$\,{cell.spread}}}" if cell.spread else value
