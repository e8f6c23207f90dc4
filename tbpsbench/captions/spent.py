"""What a run of captions has cost over all its starts, so that a budget holds for the run and not for each start.

    FOLDER/spent/NAME.jsonl   what each process has spent so far: a line a second, and one at its end

NAME is the process' share ("0of1"), "prepare" (of what comes before the workers) or "preview". A killed process leaves
out its last second, and the calls that were under way.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tbpsbench.captions.store import Appended
from tbpsbench.errors import DataError
from tbpsbench.files import storage_error
from tbpsbench.mllm.meter import Meter, Spent
from tbpsbench.reading import parse_json, read_bytes, shown

EVERY_SECONDS = 1.0


def spent_in(folder: Path, name: str = "*") -> Spent:
    """What was spent in a run's folder: by everybody, or by the processes of one name.

    Raises:
        DataError: if a file holds what is no such line.
    """
    last: dict[str, Spent] = {}
    for path in sorted((folder / "spent").glob(f"{name}.jsonl")):
        for number, raw in enumerate(read_bytes(path).split(b"\n")[:-1], start=1):
            line = parse_json(raw, shown(path), line=number)
            try:
                last[line["process"]] = Spent(float(line["calls"]), float(line["tokens"]), float(line["usd"]))
            except (KeyError, TypeError, ValueError):
                raise DataError(f"{shown(path)}:{number}: does not say what was spent. Delete the line.") from None
    return sum(last.values(), Spent())


@contextmanager
def accounted(folder: Path, name: str, meter: Meter, *, whole: bool) -> Iterator[None]:
    """Write down what a meter counts, and let its budget hold for what was spent before, too.

    Args:
        folder: of the run.
        name: of the file.
        meter: of this process.
        whole: whether the budget is that of the whole run, not of the processes of this name.

    Raises:
        StorageError: if the folder cannot be written.
    """
    meter.earlier = spent_in(folder, "*" if whole else name)
    try:
        (folder / "spent").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    file, process, written = Appended(folder / "spent" / f"{name}.jsonl"), uuid.uuid4().hex[:12], 0.0

    def note() -> None:
        nonlocal written
        if time.monotonic() - written >= EVERY_SECONDS:
            file.append({"process": process, **vars(meter.spent)})
            written = time.monotonic()

    meter.settled = note
    try:
        yield
    finally:
        meter.settled, written = None, 0.0
        if meter.calls:
            note()
        file.close()
