"""Write records in the form of another board: verified first, all files or none."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from tbpsbench.errors import ConfigError, DataError
from tbpsbench.files import write_together
from tbpsbench.leaderboard.exchange import every_eval_ever, hugging_face
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.reading import shown
from tbpsbench.records.read import RECORD, find_records, read_record

FORMS = ("hugging-face", "every-eval-ever")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def export(
    root: Path,
    out: Path,
    form: str,
    *,
    model: str | None = None,
    dataset: str | None = None,
    url: str | None = None,
    organization: str | None = None,
    relation: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the records below `root` for another board.

    Args:
        root: a record, or a folder of records.
        out: the folder to write into; what lies there else stays.
        form: one of `FORMS`.
        model: OWNER/NAME of the model (Every Eval Ever).
        dataset: OWNER/NAME of the data set's repository.
        url: where the records can be had (Hugging Face).
        organization, relation: who provides the results, and what they have to do with the model (Every Eval Ever).
        overwrite: replace files of these names.

    Returns:
        What was written.

    Raises:
        ConfigError: if something is not said that the form needs, or is malformed.
        DataError: if a record does not verify, or a file is there already; nothing is written.
        StorageError: if a file cannot be written.
    """
    for flag, value in (("--model", model), ("--dataset", dataset)):
        if value is not None and not _REPOSITORY.fullmatch(value):
            raise ConfigError(f"{flag} {value}: expected OWNER/NAME")
    folders = find_records(root)
    if not folders:
        raise DataError(f"{shown(root)}: no {RECORD} below it. A record is what tools/train.py or tools/test.py wrote.")
    records: list[dict[str, Any]] = [read_record(folder) for folder in folders]
    if form == "hugging-face":
        if dataset is None:
            raise ConfigError("--dataset OWNER/NAME is missing: the data set's repository, whose board shall show this")
        contents = hugging_face.files(records, dataset, url)
    else:
        if model is None or organization is None or relation is None:
            raise ConfigError("this form needs --model OWNER/NAME, --organization NAME and --relation first_party, ...")
        contents = every_eval_ever.files(records, model, organization, relation, dataset, int(time.time()))
    there = [name for name in contents if (out / name).exists() or (out / name).is_symlink()]
    if there and not overwrite:
        raise DataError(f"{shown(out / there[0])}: is there already. Choose another folder, or pass --overwrite.")
    for folder in folders:
        # By itself: whether a suite has all its seeds is not asked of one record.
        if not (checked := verify(folder, data=None, strict=False)).ok:
            raise DataError(f"{checked.report()}\nOnly records that verify are exported; nothing was written.")
    return write_together(out, contents)
