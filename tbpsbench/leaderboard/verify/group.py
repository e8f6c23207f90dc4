"""Check a folder of records: each one, and what only shows when they lie side by side.

Missing seeds, the same result twice, one run handed in as two seeds, seeds of one system that were trained with other
settings or evaluated on other data.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tbpsbench.config.flat import differences
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.records.identity import annotations_sha256, system_config
from tbpsbench.records.names import record_folder
from tbpsbench.records.read import data_name, find_records
from tbpsbench.records.schema import Finding, schema_problems

MAX_SHOWN = 4
RUN_MISSING = "Run the suite again: it creates the missing records. Leaving out seeds means choosing a result."
ONE_OF_THEM = "Keep one of them."
AGAIN = "Run the suite again for all of its seeds, with one config and one data set."
Item = tuple[str, Mapping[str, Any]]
Records = Sequence[Item]


@dataclass
class GroupVerification:
    """The outcome of verifying a folder of records.

    Attributes:
        root: the folder.
        records: of each record.
        problems: what is wrong between them.
    """

    root: Path
    records: list[Verification] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, within the records or between them."""
        return not self.problems and all(found.ok for found in self.records)

    def report(self) -> str:
        """The outcome as text."""
        wrong = sum(not found.ok for found in self.records)
        lines = [found.report() for found in self.records]
        lines += [f"PROBLEM  {problem}" for problem in self.problems]
        lines.append(
            f"{self.root}: {len(self.records)} records, {wrong} with problems; {len(self.problems)} between them"
        )
        return "\n".join(lines)


def verify_all(
    root: str | Path, *, data: str | Path | Literal["auto"] | None = "auto", rebuild: bool = False
) -> GroupVerification:
    """Verify every record below `root`, and the records against each other.

    Args:
        root: a folder of records.
        data, rebuild: as for `verify`.

    Raises:
        DataError: if `root` does not exist or a data root was named and cannot be read.
    """
    found = GroupVerification(Path(root))
    found.records = [verify(folder, data=data, rebuild=rebuild) for folder in find_records(root)]
    whole = [one for one in found.records if one.record and not schema_problems(one.record)]
    found.problems = group_problems([(one.folder.relative_to(found.root).as_posix(), one.record) for one in whole])
    return found


def group_problems(records: Records) -> list[Finding]:
    """What is wrong between records.

    Args:
        records: (folder, record) of each.
    """
    return [*_missing_seeds(records), *_twice(records), *_copies(records), *_other_settings(records)]


def _missing_seeds(records: Records) -> Iterable[Finding]:
    for key, group in _grouped(records, _task).items():
        declared = {seed for _, record in group for seed in record["suite"].get("seeds", ())}
        if missing := sorted(declared - {record["seed"] for _, record in group}):
            what = f"{key[1]} on {key[3]} (suite {key[0]})"
            seeds = ", ".join(map(str, missing))
            yield Finding(what, f"{len(declared)} seeds are declared, no record has {seeds}", RUN_MISSING)


def _twice(records: Records) -> Iterable[Finding]:
    for key, group in _grouped(records, record_folder).items():
        if len(group) > 1:
            yield Finding(
                str(key), f"{len(group)} records are of one system, data set and seed: {_names(group)}", ONE_OF_THEM
            )


def _copies(records: Records) -> Iterable[Finding]:
    """One checkpoint, or one set of ranks, as several seeds or systems."""
    for what, key in (("checkpoint", _evaluated), ("ranks.npz", lambda record: record["evidence"]["sha256"])):
        for group in _grouped([item for item in records if _telling(item[1])], key).values():
            if len({(record["name"], record["seed"]) for _, record in group}) > 1:
                message = f"{len(group)} records of other seeds or systems have exactly the same one: {_names(group)}"
                yield Finding(what, message, ONE_OF_THEM)


def _evaluated(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What was evaluated on what."""
    texts = record["config"]["evaluation"].get("gallery_texts")
    return record["checkpoint"]["sha256"], annotations_sha256(record), texts


def _telling(record: Mapping[str, Any]) -> bool:
    """Whether two systems would hardly give these ranks both: all right, or all tied, is easily repeated."""
    return any(
        result["tied_queries"] < result["queries"] and any(score < 100 for score in result["scores"].values())
        for result in record["results"].values()
    )


def _other_settings(records: Records) -> Iterable[Finding]:
    """Seeds of one suite's entry that were not trained alike."""
    for key, group in _grouped(records, _task).items():
        if not key[0]:
            continue
        what, (first, *others) = f"{key[1]} on {key[3]} (suite {key[0]})", group
        for folder, record in others:
            where = f"{folder} and {first[0]}"
            if record["system_sha256"] != first[1]["system_sha256"]:
                changed = differences(system_config(first[1]["config"]), system_config(record["config"]))
                shown = "; ".join(f"{k}: {old!r} and {new!r}" for k, (old, new) in list(changed.items())[:MAX_SHOWN])
                yield Finding(what, f"{where} have different configs: {shown}", AGAIN)
            if annotations_sha256(record) != annotations_sha256(first[1]):
                yield Finding(what, f"{where} were evaluated on different annotation files", AGAIN)


def _task(record: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """(suite, system, trained on, evaluated on): what has one record for each seed."""
    suite = record["suite"]
    trained = record["spec"].get("trained_on", record["spec"]["data"])
    return suite.get("name", ""), suite.get("entry", record["name"]), trained, data_name(record)


def _grouped(records: Records, key: Callable[[Mapping[str, Any]], Any]) -> dict[Any, list[Item]]:
    groups: dict[Hashable, list[Item]] = {}
    for folder, record in records:
        groups.setdefault(key(record), []).append((folder, record))
    return groups


def _names(group: Records) -> str:
    shown = ", ".join(folder for folder, _ in group[:MAX_SHOWN])
    return shown + (f" and {len(group) - MAX_SHOWN} more" if len(group) > MAX_SHOWN else "")
