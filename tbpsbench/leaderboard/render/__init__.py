"""Leaderboards on paper and on the web: the same rows as Markdown, CSV, LaTeX and one static page.

Nothing in the output depends on when or where it was made, so that a test can prove that committed pages are what the
committed records say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tbpsbench.files import write_together
from tbpsbench.leaderboard.render.board import check_finite, sorted_rows, tables_of
from tbpsbench.leaderboard.render.csv_text import csv_text
from tbpsbench.leaderboard.render.latex import latex_text
from tbpsbench.leaderboard.render.markdown import markdown_text
from tbpsbench.leaderboard.render.page import page_text
from tbpsbench.leaderboard.render.rows import Row
from tbpsbench.reading import require_text

__all__ = ["render"]


def render(
    rows: Iterable[Row],
    records: Mapping[str, Mapping[str, Any]],
    out: str | Path,
    title: str,
    *,
    records_at: str | None = None,
) -> list[Path]:
    """Write index.html, board.md, board.csv and board.tex.

    Args:
        rows: measured and reported ones, in any order.
        records: folder as in `Row.records` -> record; what a row of the page opens. May lack some.
        out: the folder to write into.
        title: heading of the board.
        records_at: what leads from the page to the folder of records, e.g. "../records" or an address; the page then
            links to every record.json and ranks.npz.

    Returns:
        The four paths.

    Raises:
        DataError: if a row or record holds a number that is not finite.
        StorageError: if a file cannot be written; the four stay as they were then.
    """
    require_text(title, "the title")
    ordered = sorted_rows(rows)
    check_finite(ordered)
    tables = tables_of(ordered)
    texts = {
        "index.html": page_text(ordered, tables, records, title, records_at),
        "board.md": markdown_text(tables, title),
        "board.csv": csv_text(ordered),
        "board.tex": latex_text(tables, title),
    }
    # Bytes, for the same line ends on every system.
    return write_together(out, {name: text.encode("utf-8") for name, text in texts.items()})
