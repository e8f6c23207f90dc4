"""Where a record lies below the records' root, from the record alone: run, submit and every reader agree.

    mini-pedes-tiny/two-tower_seed-0_e31cc952/            trained and evaluated on the same data
    mini-pedes-indoor/two-tower_from-mini-pedes_seed-0_e31cc952_on-55caf95a/   trained elsewhere

The eight digits of `system_sha256` keep apart systems of one name with different settings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from tbpsbench.records.identity import annotations_sha256, is_transfer
from tbpsbench.records.read import data_name

DIGITS = 8


def slug(text: str) -> str:
    """A name as a folder: lower case, words by hyphens, ASCII; "MiniPEDES (tiny)" becomes "mini-pedes-tiny"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", plain)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "unnamed"


def record_folder(record: Mapping[str, Any]) -> str:
    """Canonical folder of a record, relative to the root of all records, with forward slashes."""
    spec = record["spec"]
    parts = [slug(record["name"])]
    if is_transfer(record):
        parts.append(f"from-{slug(spec.get('trained_on') or 'unknown')}")
    parts += [f"seed-{int(record['seed'])}", slug(record["system_sha256"][:DIGITS])]
    if is_transfer(record):
        # Two populations of MiniPEDES share a name; what was evaluated is not part of the system's hash here.
        parts.append(f"on-{slug(annotations_sha256(record)[:DIGITS])}")
    return f"{slug(data_name(record))}/{'_'.join(parts)}"
