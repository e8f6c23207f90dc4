"""What a run has logged so far: losses by step, validation scores by epoch. The run may still be going on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench.engine.workdir import CARD
from tbpsbench.errors import DataError
from tbpsbench.reading import MAX_TEXT, parse_json, read_bytes, read_json, shown
from tbpsbench.visualize.paper import label

NO_SCORES = ("step", "time", "data_time", "memory")
LOGS = "logs/*/vis_data/scalars.json"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Scalars:
    """Numbers of one run.

    Attributes:
        training: rows with "loss", by rising "step".
        validation: rows with "epoch" and scores in percent, by rising epoch.
        best: the chosen epoch with its metric and score; None before the run has finished.
        finished: whether it has.
    """

    training: list[Row]
    validation: list[Row]
    best: Row | None
    finished: bool

    def series(self, prefix: str) -> dict[str, tuple[list[int], list[float]]]:
        """Steps and values of every logged scalar `prefix`NAME, by NAME; a row without it is left out."""
        names = dict.fromkeys(key for row in self.training for key in row if key.startswith(prefix))
        found = {}
        for name in names:
            rows = [row for row in self.training if name in row]
            found[name.removeprefix(prefix)] = ([row["step"] for row in rows], [row[name] for row in rows])
        return found

    def scores(self) -> dict[str, tuple[list[int], list[float]]]:
        """Epochs and values of every score of the first protocol, by name."""
        names = dict.fromkeys(key for row in self.validation for key in row if key != "epoch" and "/" not in key)
        found = {}
        for name in names:
            rows = [row for row in self.validation if name in row]
            found[name] = ([row["epoch"] for row in rows], [row[name] for row in rows])
        return found


def read_scalars(run: str | Path) -> Scalars:
    """Read the logs of a run.

    Parts of a run that was resumed are joined; a later part replaces what it repeats. A last line that is only half
    written, by a process that was killed or is writing it now, is left out.

    Raises:
        DataError: if the folder is no run's, nothing is logged in it yet, or a line is not ours; names file and line.
    """
    run = Path(run)
    card = _card(run / CARD)
    training: dict[int, Row] = {}
    validation: dict[int, Row] = {row["epoch"]: row for row in sorted(card["history"], key=lambda row: row["epoch"])}
    files = sorted(run.glob(LOGS))
    for file in files:
        for row in _rows(file):
            if "loss" in row:
                _put(training, row["step"], row)
            else:
                scores = {name: value for name, value in row.items() if name not in NO_SCORES}
                _put(validation, row["step"], {"epoch": row["step"], **scores})
    if not training and not validation:
        if files or (run / CARD).is_file():
            raise DataError(
                f"{shown(run)}: nothing is logged yet. The run writes its first line after runtime.log_interval steps; "
                "try again later."
            )
        raise DataError(f"{shown(run)}: no training logs ({LOGS}). Is it the folder of a run?")
    return Scalars(list(training.values()), list(validation.values()), card.get("best"), card["status"] == "finished")


def _card(path: Path) -> dict[str, Any]:
    """The run's card, with the parts that are read here checked."""
    card = read_json(path) if path.is_file() else {}
    if not isinstance(card, dict):
        raise DataError(f"{shown(path)}: not the card of a run")
    history, best = card.get("history", []), card.get("best")
    for key, rows in (("history", history), ("best", [] if best is None else [best])):
        numbers = {"epoch"} if key == "history" else {"epoch", "score"}
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and all(_is_number(row.get(name)) for name in numbers) for row in rows
        ):
            raise DataError(f"{shown(path)}: {key}: expected rows with {' and '.join(sorted(numbers))}")
    return {**card, "history": history, "best": best, "status": card.get("status")}


def _rows(file: Path) -> Iterator[Row]:
    """The rows of one log."""
    lines = read_bytes(file, limit=MAX_TEXT).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, shown(file), line=number, finite=False)
        except DataError:
            if number == len(lines):  # without its end
                return
            raise
        where = f"{shown(file)}:{number}"
        if not isinstance(row, dict) or type(row.get("step")) is not int:
            raise DataError(f"{where}: not a line of a training log (no 'step')")
        if odd := next((name for name, value in row.items() if not _is_number(value)), None):
            raise DataError(f"{where}: {label(odd)}: expected a number")
        yield row


def _put(rows: dict[int, Row], key: int, row: Row) -> None:
    """Add a row in place of those that a resumed part repeats."""
    while rows and next(reversed(rows)) >= key:
        rows.popitem()
    rows[key] = row


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
