"""Rows of a folder of records and of publications; what cannot be shown is left out, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.published.read import read_published
from tbpsbench.leaderboard.render.rows import Row, rows_of
from tbpsbench.records.usable import Usable, usable_records


@dataclass(frozen=True)
class Collected:
    """What a board is made from.

    Attributes:
        rows: measured and reported ones.
        records: folder -> record, as `render` takes them.
        found: the records that were read and those that were left out.
    """

    rows: list[Row]
    records: dict[str, dict[str, Any]]
    found: Usable


def collect(records: str | Path, published: str | Path | None = None) -> Collected:
    """Rows of every record below a folder that can be shown, and of the papers' tables.

    Raises:
        DataError: if a folder does not exist, a published table is wrong, or no record can be shown: a board without
            any would take the place of one with rows.
    """
    found = usable_records(records)
    if found.left_out and not found.records:
        raise DataError(f"no record can be shown\n{found.report()}")
    rows = rows_of(found.records) + (read_published(published) if published else [])
    return Collected(rows, dict(found.records), found)
