"""The form of a record: every key that must be there, what it holds, and what no result can be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.reading import parse_json
from tbpsbench.records.badges import EXTERNAL, GIVEN, is_external
from tbpsbench.records.changed import CHANGES
from tbpsbench.records.interaction import INTERACTION
from tbpsbench.records.shape import ROUNDING, Each, Maybe, Name, Number, Optional, Pair, Some, Text, misfits, shown
from tbpsbench.records.started import STARTED, starts

SCHEMA = 1
FIX = "The record is damaged or was written by another program: create it again with tools/test.py or tools/train.py."
# No version of this program is older, and a clock may be wrong by a day.
FIRST_DATE, CLOCK = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
# Far beyond any data set of this field, yet such that what is computed from as many fits into memory.
MAX_ITEMS, MAX_QUERIES, MAX_IDENTITIES, MAX_EPOCHS = 1 << 22, 1 << 18, 1 << 16, 1_000_000
# Values in `evaluation.metrics`: each may stand for a column of a number per query.
MAX_METRICS = 64


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a record.

    Attributes:
        what: the place in the record or the file.
        message: what is wrong with it.
        fix: what to do.
    """

    what: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}: {self.message}\n    {self.fix}"

    def line(self) -> str:
        """What is wrong, without what to do."""
        return f"{self.what}: {self.message}".replace("\n", " ")


SHA256 = Text(r"[0-9a-f]{64}", "64 hexadecimal digits")
RULES = ("val", "last", "test", "given")
NAME, LINE = Name(), Name(500, shortest=0)
JSON = Text(r"[ -~]{1,100000}", "a value as JSON")
COUNT, QUERIES = Number(0, MAX_ITEMS, whole=True), Number(0, MAX_QUERIES, whole=True)
EPOCH, SEED = Number(0, MAX_EPOCHS, whole=True), Number(0, 2**32 - 1, whole=True)
PERCENT = Number(-ROUNDING, 100 + ROUNDING)
# Bytes, operations, seconds, joules; null where the machine does not tell.
AMOUNT = Number(0, 1e18)
SIDE = Number(1, 1 << 16, whole=True)
# A record is written after at least one query was asked.
RESULT = {
    "scores": Each(PERCENT, least=1),
    "intervals_95": Each(Pair(PERCENT), least=1),
    "heads": Each(Each(PERCENT)),
    "queries": Number(1, MAX_QUERIES, whole=True),
    "gallery": Number(1, MAX_ITEMS, whole=True),
    "identities": Number(1, MAX_IDENTITIES, whole=True),
    "skipped_queries": QUERIES,
    "tied_queries": QUERIES,
}
# Which parts must be there depends on the rule: verify/selection.py looks at that.
SELECTION = {
    "rule": Text("|".join(RULES), f"one of {', '.join(RULES)}"),
    "epoch": Optional(EPOCH),
    "score": Optional(PERCENT),
    "metric": Optional(NAME),
    "split": Optional(NAME),
    "queries": Optional(QUERIES),
    "history": Optional([{"epoch": EPOCH, "score": PERCENT}]),
    "test_evaluations": Optional(Number(1, MAX_EPOCHS + 1, whole=True)),
}
EVALUATION = {
    "selection": NAME,
    "interval": Optional(Number(1, 2**63 - 1, whole=True)),
    "metric": NAME,
    "metrics": Some({"type": NAME}),
    "protocols": Some(NAME),
    "ties": NAME,
    "gallery_texts": Optional(Maybe(NAME)),
    "rerank": Optional([{"type": NAME}]),
    "interactor": Optional(Maybe({"type": NAME})),
    "distractors": Optional(Maybe(str)),
    "both_directions": Optional(bool),
    "skip_unmatched": Optional(bool),
    "allow_leak": Optional(bool),
}
ENVIRONMENT = {
    "python": LINE,
    "tbpsbench": LINE,
    "packages": Each(LINE),
    "platform": LINE,
    "device": LINE,
    "cuda": Optional(Maybe(LINE)),
    "threads": Optional(COUNT),
    "cpu": Optional(LINE),
}
COST: dict[Any, Any] = {
    "peak_memory_bytes": Optional(Each(Maybe(AMOUNT))),
    "rerank": Optional(Each({"ms_per_query": AMOUNT, "pairs": AMOUNT})),
    ...: Maybe(AMOUNT),
}
DISTRACTORS = {"images": Number(1, 1 << 40, whole=True), "sha256": SHA256}
CHANGED = [{"epoch": EPOCH, "key": NAME, "before": JSON, "after": JSON}]
RERANK = [{"component": {"type": NAME}, "transductive": bool}]
PLUGIN = {
    "name": NAME,
    "target": Optional(NAME),
    "distribution": Optional(NAME),
    "version": NAME,
    "error": Maybe(str),
    "used": bool,
}
SOURCE = {"role": NAME, "source": NAME, "file": NAME, "sha256": SHA256, "made_from": dict, "notes": dict}
# Of a system that training started from; it may have been started from another, in the same form.
START_SHAPE: dict[str, Any] = {
    "name": NAME,
    "seed": SEED,
    "system_sha256": SHA256,
    "checkpoint": {"sha256": SHA256, "bytes": Number(1, 1e15, whole=True)},
    "weights_sha256": SHA256,
    "trained_on": NAME,
    "selection": {"rule": NAME},
    "data": {"dataset": NAME, "component": {"type": NAME}, "partial": bool, "sources": [SOURCE]},
    STARTED: Optional(dict),
    CHANGES: Optional(CHANGED),
}
RECORD_SHAPE: dict[str, Any] = {
    "schema": int,
    "name": NAME,
    "status": Text(f"measured|{EXTERNAL}", f"'measured' or '{EXTERNAL}'"),
    "date": Text(r"\d{4}-\d\d-\d\dT.{1,40}", "a date as 2026-01-31T12:00:00+00:00"),
    "spec": {"data": NAME, "trained_on": Optional(NAME), "split": NAME, "version": COUNT},
    "suite": {
        "name": Optional(NAME),
        "entry": Optional(NAME),
        "data": Optional(NAME),
        "seeds": Optional([SEED]),
    },
    "track": Text("dual-encoder|gallery-text|rerank|interactive|interactive-witness", "a track"),
    "leaks": [str],
    "selection": SELECTION,
    "seed": SEED,
    "config": {
        "data": {
            "dataset": {"type": NAME}, "size": Pair(SIDE), "descriptions": Optional(Maybe(NAME)),
            "more_captions": Optional([NAME]),
        },
        "model": dict,
        "optimizer": Maybe(dict),
        "schedule": {"max_epochs": Number(1, MAX_EPOCHS, whole=True)},
        "evaluation": EVALUATION,
        "runtime": dict,
        "seed": SEED,
    },
    "config_sha256": SHA256,
    "system_sha256": SHA256,
    "checkpoint": {"sha256": SHA256, "bytes": Number(1, 1e15, whole=True)},
    "code": {"commit": Maybe(Text("[0-9a-f]{7,64}", "the hash of a commit")), "dirty": Maybe(bool)},
    "plugins": [PLUGIN],
    "environment": ENVIRONMENT,
    "data": {
        "dataset": NAME,
        "component": {"type": NAME},
        "counts": Each({"ids": COUNT, "images": COUNT, "captions": COUNT, ...: COUNT}),
        "partial": bool,
        "sources": [SOURCE],
        "tokenizer_sha256": SHA256,
    },
    "protocol": {
        "similarity": LINE, "ties": NAME, "image_size": Pair(SIDE), "text_length": COUNT, "skip_unmatched": bool,
        "distractors": Optional(DISTRACTORS), "listed": Optional(COUNT),
    },
    "rerank": Optional(RERANK),
    STARTED: Optional(dict),
    CHANGES: Optional(CHANGED),
    "interaction": Optional(INTERACTION),
    "results": Each(RESULT, least=1),
    "cost": COST,
    "evidence": {"file": Text(r"ranks\.npz", "'ranks.npz'"), "sha256": SHA256},
}  # fmt: skip
# Of numbers that other code made: nothing is known of a model, its tokenizer and its training.
NOTHING = Text("", "nothing")
EXTERNAL_SHAPE: dict[str, Any] = {
    **RECORD_SHAPE,
    "selection": {"rule": Text("given", "'given'")},
    "config": {
        "data": {"dataset": {"type": NAME}},
        "model": {
            "type": Text(EXTERNAL, f"'{EXTERNAL}'"),
            "given": Text("|".join(GIVEN), f"one of {', '.join(GIVEN)}"),
        },
        "evaluation": {key: shape for key, shape in EVALUATION.items() if key not in ("selection", "metric")},
        "seed": SEED,
    },
    "data": {**RECORD_SHAPE["data"], "tokenizer_sha256": Maybe(NOTHING)},
    "protocol": {**RECORD_SHAPE["protocol"], "image_size": Maybe(NOTHING), "text_length": Maybe(NOTHING)},
}


def schema_problems(record: Mapping[str, Any]) -> list[Finding]:
    """Keys that are missing, hold something else or what no result can be; of an unknown version only that."""
    try:
        # One reader for every text: what came another way than from a file is held to the same limits.
        parse_json(json.dumps(record).encode(), "record.json")
    except DataError as error:
        return [Finding("record.json", str(error).removeprefix("record.json: "), FIX)]
    except (TypeError, ValueError, RecursionError) as error:
        return [Finding("record.json", f"is not plain data that JSON can hold ({error})", FIX)]
    version = record.get("schema")
    if version != SCHEMA or isinstance(version, bool):
        fix = "Install a tbpsbench that writes this schema, or create the record again with this one."
        return [Finding("schema", f"version {shown(version)}; this program knows {SCHEMA}", fix)]
    found = [
        Finding(place, message, FIX)
        for place, message in (
            *misfits(record, EXTERNAL_SHAPE if is_external(record) else RECORD_SHAPE),
            *_misfit_starts(record),
            *_odd_keys(record),
        )
    ]
    return found or [Finding(place, message, FIX) for place, message in _impossible(record)]


def _misfit_starts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for depth, start in enumerate(starts(record), 1):
        yield from misfits(start, START_SHAPE, ".".join([STARTED] * depth))


def _odd_keys(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Keys that no line of a report or table can show, also where any key may stand, as in a config."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isprintable():
                yield place or "record.json", f"has the key {shown(key)}, which is not printable"
            else:
                yield from _odd_keys(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _odd_keys(item, f"{place}.{index}")


def _impossible(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What does not fit together in a record of the right shape."""
    try:
        date = datetime.fromisoformat(record["date"])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        if not FIRST_DATE <= date <= datetime.now(UTC) + CLOCK:
            yield "date", f"is {record['date']}: before this program was written, or in the future"
    except ValueError as error:
        yield "date", f"is {record['date']!r}: {error}"
    if (count := _values(record["config"]["evaluation"]["metrics"])) > MAX_METRICS:
        yield "config.evaluation.metrics", f"holds {count} values, more than {MAX_METRICS}"
    for name, result in record["results"].items():
        for kind, columns in (("intervals_95", result["intervals_95"]), *_heads(result)):
            if set(columns) != set(result["scores"]):
                yield (
                    f"results.{name}.{kind}",
                    f"has the columns {_listed(columns)}, scores {_listed(result['scores'])}",
                )
        if any(low > high for low, high in result["intervals_95"].values()):
            yield f"results.{name}.intervals_95", "an interval ends before it begins"
        if result["identities"] > result["queries"] or result["tied_queries"] > result["queries"]:
            yield f"results.{name}", "has more identities or tied queries than queries"


def _values(given: Any) -> int:
    """Leaves of nested data."""
    inner = given.values() if isinstance(given, Mapping) else given if isinstance(given, list | tuple) else None
    return 1 if inner is None else sum(map(_values, inner))


def _heads(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    for head, scores in result["heads"].items():
        yield f"heads.{head}", scores


def _listed(columns: Mapping[str, Any]) -> str:
    return shown(", ".join(sorted(columns)))
