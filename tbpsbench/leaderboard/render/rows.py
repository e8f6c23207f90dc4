"""One line of a leaderboard: a measured system over its seeds, or a row that a paper reports.

Records of the same system, data, track, protocol and selection become one row; `records/identity.py` says what the same
system is. Who was asked other query texts than most systems on a data set did another task: such rows have data of
another name, so that no format ranks them with the others. Grouping happens here, every format only prints rows.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tbpsbench.records.badges import badges_of, is_external
from tbpsbench.records.identity import OWN_CAPTIONS, annotations_sha256, captions_source, systems
from tbpsbench.records.names import DIGITS
from tbpsbench.records.read import data_name

Item = tuple[str, Mapping[str, Any], str]  # folder, record, protocol
Status = Literal["measured", "external", "reported"]
# What a run costs, in the order in which tables show it: key -> (heading, what one unit is called).
COSTS = {
    "parameters": ("parameters", ""),
    "image_flops": ("FLOPs per image", ""),
    "text_flops": ("FLOPs per caption", ""),
    "images_per_s": ("images per second", "1/s"),
    "captions_per_s": ("captions per second", "1/s"),
    "train_s": ("training time", "s"),
    "peak_memory_host": ("peak memory", "bytes"),
    "peak_memory_gpu": ("peak GPU memory", "bytes"),
    "energy_j": ("energy", "J"),
    "index_bytes": ("index", "bytes"),
}


@dataclass(frozen=True)
class Score:
    """One number of a table, in percent.

    Attributes:
        mean: over the seeds.
        std: sample standard deviation over the seeds; None for fewer than two.
        low, high: 95 % interval over identities, averaged over the seeds; None where unknown.
    """

    mean: float
    std: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of a leaderboard.

    Attributes:
        system: name of the system.
        data: what it was evaluated on, with the query texts where they are not those of most records.
        trained_on: what it was trained on; equal to `data` unless the row is about transfer. "" where unknown.
        protocol: "standard", "clothes-change", ...
        track, selection: as in protocol.md; "unknown" where a paper does not say.
        status: "measured" by us, "external" where other code made what we ranked, or "reported" by its authors.
        scores: column -> score.
        seeds: the seeds behind the scores; empty where unknown.
        missing_seeds: seeds that the suite declares and no record has.
        cost: key of COSTS -> mean over the seeds, where known.
        badges: what a reader must know, e.g. "selected on test".
        backbone, citation, venue, source, note: of a reported row; "" where there is nothing to say.
        year: of the publication, or None.
        records: folders of the records behind the row, relative to the folder that was read.
    """

    system: str
    data: str
    trained_on: str
    protocol: str
    track: str
    selection: str
    status: Status
    scores: Mapping[str, Score]
    seeds: tuple[int, ...] = ()
    missing_seeds: tuple[int, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    badges: tuple[str, ...] = ()
    backbone: str = ""
    citation: str = ""
    venue: str = ""
    year: int | None = None
    source: str = ""
    note: str = ""
    records: tuple[str, ...] = ()


def column_order(column: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key of a metric's name: R@1, R@5, R@10, mAP, mINP, then those of others, which must not decide the order."""
    parts = [part for part in re.split("([0-9]+)", column) if part]
    known = re.fullmatch("R@[0-9]+|mAP|mINP", column) is not None
    return (0 if known else 1, 0), *((0, int(part)) if re.fullmatch("[0-9]+", part) else (1, part) for part in parts)


def rows_of(records: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Row]:
    """Rows of measured records: one per system, data, track, selection and protocol, over all of its seeds."""
    records = list(records)
    usual = _usual_texts(record for _, record in records)
    alike: dict[tuple[Any, ...], list[Item]] = {}
    for folder, record in records:
        for protocol in record["results"]:
            key = (record["name"], data_name(record), record["spec"].get("trained_on"), protocol, record["track"],
                   record["selection"]["rule"], annotations_sha256(record))  # fmt: skip
            alike.setdefault(key, []).append((folder, record, protocol))
    groups: dict[tuple[Any, ...], list[Item]] = {}
    for key, items in alike.items():
        own = systems(record for _, record, _ in items)
        for item in items:
            groups.setdefault((*key, own[item[1]["system_sha256"]]), []).append(item)
    return [_row(group, usual) for _, group in sorted(groups.items(), key=lambda item: str(item[0]))]


def _usual_texts(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Data set -> hash of the annotation file whose captions most of its records were asked."""
    found: dict[str, Counter[str]] = {}
    for record in records:
        found.setdefault(data_name(record), Counter())[annotations_sha256(record)] += 1
    return {data: max(count, key=lambda digest: (count[digest], digest)) for data, count in found.items()}


def _row(group: list[Item], usual: Mapping[str, str]) -> Row:
    group = sorted(group, key=lambda item: (item[1]["seed"], item[0]))
    once = {item[1]["evidence"]["sha256"]: item for item in reversed(group)}  # a copy of a run is no second run
    twice = [item[0] for item in group if once[item[1]["evidence"]["sha256"]] is not item]
    group = [item for item in group if item[0] not in twice]
    folders, records = [item[0] for item in group], [item[1] for item in group]
    first, protocol = records[0], group[0][2]
    results = [record["results"][protocol] for record in records]
    columns = sorted({column for result in results for column in result["scores"]}, key=column_order)
    seeds = tuple(record["seed"] for record in records)
    declared = {seed for record in records for seed in record.get("suite", {}).get("seeds", ())}
    badges = list(dict.fromkeys(badge for record in records for badge in badges_of(record)))
    data, asked = data_name(first), annotations_sha256(first)
    trained_on = first["spec"].get("trained_on", first["spec"]["data"])
    own, note = trained_on == data, ""
    if asked != usual[data]:
        source = captions_source(first)
        by = f"{source} " if source not in ("", OWN_CAPTIONS) else ""
        texts = f"query texts {by}{asked[:DIGITS]}" if asked else "query texts unknown"
        note = f"asked other captions than the rows of {data}: not comparable with them"
        data = f"{data} ({texts})"
    if twice:
        note += f"{'; ' * bool(note)}not counted, since it is a copy: {', '.join(twice)}"
    return Row(
        system=first["name"],
        data=data,
        trained_on=data if own else trained_on,
        protocol=protocol,
        track=first["track"],
        selection=first["selection"]["rule"],
        status="external" if is_external(first) else "measured",
        scores={column: _score(results, column) for column in columns},
        seeds=seeds,
        missing_seeds=tuple(sorted(declared - set(seeds))),
        cost=_cost(records),
        badges=tuple(badges),
        note=note,
        records=tuple(folders),
    )


def _score(results: list[Mapping[str, Any]], column: str) -> Score:
    values = [result["scores"][column] for result in results if column in result["scores"]]
    bounds = [result["intervals_95"][column] for result in results if column in result["intervals_95"]]
    low, high = (statistics.fmean(side) for side in zip(*bounds, strict=True)) if bounds else (None, None)
    mean = statistics.fmean(values)
    # statistics.stdev computes in fractions: exact, and half of the time that a large board takes to render.
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Score(mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None, low, high)


def _cost(records: list[Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for record in records:
        flat = dict(record["cost"])
        for place, value in (flat.pop("peak_memory_bytes", None) or {}).items():
            flat[f"peak_memory_{place}"] = value
        for key in COSTS:
            if isinstance(flat.get(key), int | float):
                found.setdefault(key, []).append(float(flat[key]))
    return {key: statistics.fmean(values) for key, values in found.items()}
