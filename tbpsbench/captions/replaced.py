"""Pictures that were replaced under their old names after they had been captioned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.files import sha256_file


def require_same_pictures(root: Path, pictures: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse to go on with captions of pictures that are others by now.

    Only a file that was written after its record is read; one that is gone is no concern of a finished record.

    Args:
        root: folder of the pictures.
        pictures: file -> (hash of the picture that was captioned, when), as `Store.pictures` has them.

    Raises:
        DataError: if a picture is another; counts them.
    """
    other = [file for file, (sha256, created) in pictures.items() if _is_other(root / file, sha256, created)]
    if other:
        raise DataError(
            f"{root}: pictures were replaced after they had been captioned ({len(other)}, e.g. {other[0]!r:.120}): "
            "their captions tell of the old ones. Put the old pictures back, or caption the new ones into another "
            "folder (out=) under another name (source.name)."
        )


def _is_other(path: Path, sha256: Any, created: Any) -> bool:
    try:
        if path.stat().st_mtime <= datetime.fromisoformat(created).timestamp():
            return False
        return sha256 is not None and sha256_file(path) != sha256
    except (OSError, DataError, TypeError, ValueError):
        return False
