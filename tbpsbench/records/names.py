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

from tbpsbench.files import sha256_bytes
from tbpsbench.records.identity import annotations_sha256, is_ambiguous, is_transfer
from tbpsbench.records.read import data_name

DIGITS = 8
# A folder's name has up to three such parts, and a file system takes 255 bytes.
LONGEST = 64


def slug(text: str) -> str:
    """A name as a folder: lower case, words by hyphens, ASCII; "MiniPEDES (tiny)" becomes "mini-pedes-tiny"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", plain)
    return shortened(re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "unnamed")


def shortened(name: str) -> str:
    """A name that fits into a file's name: a long one by its beginning and eight digits of its hash."""
    if len(name.encode("utf-8", "surrogatepass")) <= LONGEST:
        return name
    digits = sha256_bytes(name.encode("utf-8", "surrogatepass"))[:DIGITS]
    return f"{name[: LONGEST - DIGITS - 1].rstrip('-')}-{digits}"


def record_folder(record: Mapping[str, Any]) -> str:
    """Canonical folder of a record, relative to the root of all records, with forward slashes."""
    spec = record["spec"]
    parts = [slug(record["name"])]
    if is_transfer(record):
        parts.append(f"from-{slug(spec.get('trained_on') or 'unknown')}")
    parts += [f"seed-{int(record['seed'])}", slug(record["system_sha256"][:DIGITS])]
    if is_transfer(record) or is_ambiguous(record):
        # Two populations of MiniPEDES share a name; what was evaluated is not part of the system's hash here.
        parts.append(f"on-{slug(annotations_sha256(record)[:DIGITS])}")
    return f"{slug(data_name(record))}/{'_'.join(parts)}"
