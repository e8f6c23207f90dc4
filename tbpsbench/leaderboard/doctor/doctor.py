"""What would a reviewer object to in these records? Asked before the reviewer does.

`verify` looks for what is false; this looks for what is true and weak: one seed, a dirty checkout, twenty queries.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tbpsbench.config.flat import differences
from tbpsbench.leaderboard.doctor.record import SEVERITIES, Objection, record_objections
from tbpsbench.records.badges import is_external
from tbpsbench.records.identity import TRAINING, annotations_sha256, system_config, systems
from tbpsbench.records.read import data_name
from tbpsbench.records.usable import usable_records

__all__ = ["Diagnosis", "Objection", "doctor", "objections"]

ENOUGH_SEEDS = 3
UNSTEADY_POINTS = 2.0
MAX_SHOWN = 4
Item = tuple[str, Mapping[str, Any]]
System = tuple[str, str, str, str]  # name, evaluated data, training data, what its config says
SystemOf = Callable[[Mapping[str, Any]], System]


@dataclass
class Diagnosis:
    """What was objected to, the serious first.

    Attributes:
        root: the folder that was looked at.
        records: number of records.
        objections: equal ones of several records are one.
        unread: (folder, why) of records that are none.
    """

    root: Path
    records: int
    objections: list[Objection] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)

    @property
    def serious(self) -> int:
        """Number of serious objections."""
        return sum(objection.severity == "serious" for objection in self.objections)

    def report(self) -> str:
        """The objections as text."""
        lines = [f"{folder}: cannot be read as a record: {why}" for folder, why in self.unread]
        for objection in self.objections:
            some = len(objection.records) < self.records
            lines.append(str(objection) + (f"\n{'':10}({_shown(objection.records)})" if some else ""))
        count = {severity: sum(o.severity == severity for o in self.objections) for severity in SEVERITIES}
        told = ", ".join(f"{number} {severity}" for severity, number in count.items())
        return "\n".join([*lines, f"{self.root}: {self.records} records; {told}"])


def doctor(root: str | Path) -> Diagnosis:
    """Examine every record below a folder.

    Args:
        root: a folder of records, or of one. A record that cannot be read or shown is listed, not fatal.

    Raises:
        DataError: if the folder does not exist.
    """
    found = usable_records(root)
    return Diagnosis(found.root, len(found.records), objections(found.records), found.left_out)


def objections(items: Sequence[Item]) -> list[Objection]:
    """Objections to records and to their being compared.

    Args:
        items: (folder, record) of each.

    Returns:
        The serious ones first; equal objections of several records as one.
    """
    merged: dict[Objection, list[str]] = {}
    for folder, record in items:
        for objection in record_objections(record):
            merged.setdefault(objection, []).append(folder)
    found = [replace(objection, records=tuple(folders)) for objection, folders in merged.items()]
    one_system = systems(record for _, record in items)

    def system(record: Mapping[str, Any]) -> System:
        return record["name"], data_name(record), _trained(record), one_system[record["system_sha256"]]

    found += [*_copies(items, system), *_seeds(items, system), *_settings(items, system), *_boards(items)]
    return sorted(found, key=lambda objection: SEVERITIES.index(objection.severity))


def _seeds(items: Sequence[Item], system: SystemOf) -> Iterator[Objection]:
    """One system over its seeds."""
    for key, group in _grouped(items, system).items():
        records, folders = [record for _, record in group], tuple(folder for folder, _ in group)
        what, seeds = f"{key[0]} on {key[1]}", {record["seed"] for record in records}
        declared = {seed for record in records for seed in record["suite"].get("seeds", ())}
        if missing := sorted(declared - seeds):
            message = f"seeds {', '.join(map(str, missing))} of the suite are missing"
            yield Objection("serious", what, message, "Run the suite to its end.", folders)
        elif len(seeds) < ENOUGH_SEEDS:
            one = len(seeds) == 1
            message = "one seed only" if one else f"{len(seeds)} seeds only"
            fix = f"Train {ENOUGH_SEEDS - len(seeds)} more; a single run says nothing about the spread between runs."
            yield Objection("serious" if one else "question", what, message, fix, folders)
        scores = [record["results"].get(_protocol(record), {}).get("scores", {}).get("R@1") for record in records]
        known = [score for score in scores if score is not None]
        if len(known) > 1 and (spread := statistics.stdev(known)) > UNSTEADY_POINTS:
            message = f"R@1 varies by {spread:.1f} points (standard deviation) from seed to seed"
            yield Objection("question", what, message, "Train more seeds; never report the best one.", folders)
        if len({record["code"]["commit"] for record in records}) > 1:
            message = "its seeds were trained with several versions of the code"
            yield Objection("question", what, message, "Train all seeds with one commit.", folders)
        if several := _several_plugins(records):
            message = f"its seeds were trained with several versions of plug-ins: {_shown(several)}"
            yield Objection("question", what, message, "Train all seeds with one version of each.", folders)
        if len({record["environment"]["device"] for record in records}) > 1:
            message = "its seeds were trained on several kinds of device"
            yield Objection("remark", what, message, "Do not compare their speeds.", folders)


def _several_plugins(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Plug-ins with their versions that some records of a system used and others did not."""
    used = [{f"{p['name']} {p['version']}" for p in record["plugins"] if p["used"]} for record in records]
    return sorted(set[str]().union(*used) - used[0].intersection(*used))


def _copies(items: Sequence[Item], system: SystemOf) -> Iterator[Objection]:
    """One result that counts as several."""
    for key, group in _grouped(items, lambda record: (*system(record), record["evidence"]["sha256"])).items():
        if len(group) > 1:
            message = f"the result of seed {group[0][1]['seed']} is there {len(group)} times"
            fix = "Keep one of the records: copies of a run are no further runs."
            yield Objection("serious", f"{key[0]} on {key[1]}", message, fix, tuple(folder for folder, _ in group))


def _settings(items: Sequence[Item], system: SystemOf) -> Iterator[Objection]:
    """One name for several systems."""
    for key, group in _grouped(items, lambda record: system(record)[:3]).items():
        configs = {system(record)[3]: system_config(record["config"]) for _, record in group}
        if len(configs) > 1:
            first, *others = configs.values()
            differ = tuple(dict.fromkeys(name for other in others for name in differences(first, other)))
            message = f"{len(configs)} different configs have this name" + (f": {_shown(differ)}" if differ else "")
            fix = "Give each its own name, or delete the records of the old one."
            yield Objection("question", f"{key[0]} on {key[1]}", message, fix, tuple(folder for folder, _ in group))


def _boards(items: Sequence[Item]) -> Iterator[Objection]:
    """Systems that a table would put side by side."""
    for data, group in _grouped(items, data_name).items():
        folders, what = tuple(folder for folder, _ in group), f"systems on {data}"
        for severity, values, message, fix in (
            ("serious", {annotations_sha256(r) for _, r in group}, "were evaluated on several annotation files",
             "Evaluate all on one."),
            ("serious", {r["protocol"]["ties"] for _, r in group}, "order ties by several rules",
             "Evaluate all with one rule."),
            ("question", {_texts(r) for _, r in group},
             "were trained with different texts (data.captions, data.descriptions)",
             "Name the additional training data in the table."),
            ("question", {_trained(r) for _, r in group}, "were trained on different data",
             "Show them in separate tables."),
            ("question", {r["selection"]["rule"] for _, r in group}, "chose their checkpoints by several rules",
             "Choose by the same rule, or show the rule next to the number."),
            ("remark", {tuple(r["protocol"]["image_size"]) for _, r in group if not is_external(r)},
             "use images of several sizes", "Show the size next to the number."),
        ):  # fmt: skip
            if len(values) > 1:
                shown = f"{message}: {_shown(tuple(sorted(map(str, values))))}"
                yield Objection(severity, what, shown, fix, folders)  # type: ignore[arg-type]


def _trained(record: Mapping[str, Any]) -> str:
    return str(record["spec"].get("trained_on", record["spec"]["data"]))


def _texts(record: Mapping[str, Any]) -> str:
    """The texts that training used besides the data set's own captions, by hash."""
    told = [s["sha256"][:12] for s in record["data"]["sources"] if s["role"] in ("descriptions", TRAINING)]
    return " and ".join(told) or "none"


def _protocol(record: Mapping[str, Any]) -> str:
    return str(record["config"]["evaluation"]["protocols"][0])


def _grouped(items: Sequence[Item], key: Any) -> dict[Any, list[Item]]:
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item[1]), []).append(item)
    return groups


def _shown(names: Sequence[str]) -> str:
    rest = len(names) - MAX_SHOWN
    return ", ".join(names[:MAX_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
