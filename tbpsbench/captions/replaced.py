"""Pictures that were replaced under their old names after they had been captioned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tbpsbench.captions.store import KEY
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_file


def require_same_pictures(root: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse to go on with captions of pictures that are others by now.

    Only a file that was written after its record is read; one that is gone is no concern of a finished record.

    Args:
        root: folder of the pictures.
        records: of a run.

    Raises:
        DataError: if a picture is another; counts them.
    """
    other = [record[KEY] for record in records if _is_other(root / record[KEY], record)]
    if other:
        raise DataError(
            f"{root}: pictures were replaced after they had been captioned ({len(other)}, e.g. {other[0]!r:.120}): "
            "their captions tell of the old ones. Put the old pictures back, or caption the new ones into another "
            "folder (out=) under another name (source.name)."
        )


def _is_other(path: Path, record: Mapping[str, Any]) -> bool:
    try:
        if path.stat().st_mtime <= datetime.fromisoformat(record["created"]).timestamp():
            return False
        return sha256_file(path) != record["image_sha256"]
    except (OSError, DataError, KeyError, TypeError, ValueError):
        return False
