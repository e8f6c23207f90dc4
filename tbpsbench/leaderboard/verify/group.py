"""Check a folder of records: each one, and what only shows when they lie side by side.

Missing seeds, the same result twice, one run handed in as two seeds, seeds of one system that were trained with other
settings or evaluated on other data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tbpsbench.config.flat import canonical, differences
from tbpsbench.errors import DataError
from tbpsbench.leaderboard.verify.data import WHAT
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.leaderboard.verify.rescore import rescore
from tbpsbench.reading import shown
from tbpsbench.records.identity import annotations_sha256, system_config, systems
from tbpsbench.records.names import record_folder
from tbpsbench.records.read import RECORD, data_name, find_records
from tbpsbench.records.schema import Finding, schema_problems

MAX_SHOWN, MAX_KINDS = 4, 12
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
        """Whether there are records, and nothing is wrong within them or between them."""
        return bool(self.records) and not self.problems and all(found.ok for found in self.records)

    def report(self, *, verbose: bool = False) -> str:
        """The outcome as text, the summary last.

        Args:
            verbose: all of it; otherwise a line for each record that has something to say, and how often what could
                not be checked.
        """
        wrong = sum(bool(found.problems) for found in self.records)
        doubtful = sum(bool(found.unproved) and not found.problems for found in self.records)
        lines = [one.report() if verbose else one.line() for one in self.records if verbose or not one.ok]
        lines += [f"PROBLEM  {problem if verbose else problem.line()}" for problem in self.problems]
        lines += [] if verbose else self._unchecked()
        count = len(self.records)
        outcome = f"{count} record{'s' * (count != 1)}, {wrong} with problems"
        outcome += f", {doubtful} whose numbers could not be checked" if doubtful else ""
        outcome += f"; {len(self.problems)} between them" if count > 1 or self.problems else ""
        lines.append(f"{shown(self.root)}: {outcome}{'' if verbose else ' (-v shows what was checked)'}")
        return "\n".join(lines)

    def _unchecked(self) -> list[str]:
        """What could not be checked, and of how many records."""
        found = Counter(what for one in self.records if one.record for what, _ in one.unchecked)
        return [
            f"not checked in {count} of {len(self.records)}: {what}" for what, count in found.most_common(MAX_KINDS)
        ]


def verify_all(
    root: str | Path, *, data: str | Path | Literal["auto"] | None = "auto", rebuild: bool = False
) -> GroupVerification:
    """Verify every record below `root`, and the records against each other.

    Args:
        root: a folder of records, or a record.json.
        data, rebuild: as for `verify`; the files of a named root are compared with the records that are of them.

    Raises:
        DataError: if `root` does not exist, holds no record, or a data root was named that no record is of.
    """
    found = GroupVerification(Path(root))
    folders = find_records(root)
    if not folders:
        raise DataError(f"{shown(root)}: no {RECORD} below it. A record is what tools/train.py or tools/test.py wrote.")
    found.records = [verify(folder, data=data, rebuild=rebuild, strict=False) for folder in folders]
    if data not in (None, "auto") and all(WHAT in dict(one.unchecked) for one in found.records):
        verify(folders[0], data=data, rebuild=rebuild)  # says what is wrong with it
    below = found.root if found.root.is_dir() else found.root.parent
    found.problems = group_problems([(one.folder.relative_to(below).as_posix(), one.record) for one in found.records])
    return found


def verify_one(
    root: str | Path, checkpoint: Path | None, *, again: bool, data: str | None = None, rebuild: bool = False
) -> GroupVerification:
    """Verify a single record against its checkpoint.

    Args:
        root: the record's folder, a folder with one record, or a record.json.
        checkpoint: the evaluated file; by default the one that the run left beside the record.
        again: evaluate it again.
        data: root of the data set, where it is not the usual one.
        rebuild: as for `verify`.

    Raises:
        TBPSError: if checkpoint or data are not what is needed.
    """
    folder = find_records(root)[0]
    found = verify(folder, checkpoint=checkpoint, data=data or "auto", rebuild=rebuild)
    if again and not found.record:
        found.doubt("ranks from the checkpoint", "the record cannot be read")
    elif again:
        found = found.joined(rescore(folder, checkpoint, root=data))
    return GroupVerification(Path(root), [found])


def group_problems(records: Records) -> list[Finding]:
    """What is wrong between records; those that are not well-formed are left out, since `verify` refuses them.

    Args:
        records: (folder, record) of each.
    """
    records = [(folder, record) for folder, record in records if record and not schema_problems(record)]
    return [*_missing_seeds(records), *_twice(records), *_copies(records), *_other_settings(records)]


def _missing_seeds(records: Records) -> Iterable[Finding]:
    for key, group in _grouped(records, _task).items():
        declared = {seed for _, record in group for seed in record["suite"].get("seeds", ())}
        if missing := sorted(declared - {record["seed"] for _, record in group}):
            what = f"{key[1]} on {key[3]} (suite {key[0]})"
            seeds = ", ".join(map(str, missing[:MAX_KINDS])) + ", ..." * (len(missing) > MAX_KINDS)
            yield Finding(what, f"{len(declared)} seeds are declared, no record has {seeds}", RUN_MISSING)


def _twice(records: Records) -> Iterable[Finding]:
    own = systems(record for _, record in records)

    def place(record: Mapping[str, Any]) -> str:
        """Its folder, the same for two spellings of one config."""
        return str(record_folder({**record, "system_sha256": own[record["system_sha256"]]}))

    for group in _grouped(records, place).values():
        if len(group) > 1:
            yield Finding(
                record_folder(group[0][1]),
                f"{len(group)} records are of one system, data set and seed: {_names(group)}",
                ONE_OF_THEM,
            )


def _copies(records: Records) -> Iterable[Finding]:
    """One checkpoint, or one set of ranks, as several seeds or systems."""
    telling = [item for item in records if _telling(item[1])]
    for what, among, key in (("checkpoint", records, _evaluated), ("ranks.npz", telling, _ranks)):
        for group in _grouped(among, key).values():
            if len({(record["name"], record["seed"]) for _, record in group}) > 1:
                message = f"{len(group)} records of other seeds or systems have exactly the same one: {_names(group)}"
                yield Finding(what, message, ONE_OF_THEM)


def _evaluated(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What was evaluated on what."""
    evaluation = record["config"]["evaluation"]
    rerank, interactor = canonical(evaluation.get("rerank", [])), canonical(evaluation.get("interactor"))
    how = evaluation.get("gallery_texts"), rerank, interactor
    return record["checkpoint"]["sha256"], annotations_sha256(record), how


def _ranks(record: Mapping[str, Any]) -> str:
    return str(record["evidence"]["sha256"])


def _telling(record: Mapping[str, Any]) -> bool:
    """Whether two systems would hardly give these ranks both: all right, or all tied, is easily repeated."""
    return any(
        result["tied_queries"] < result["queries"] and any(score < 100 for score in result["scores"].values())
        for result in record["results"].values()
    )


def _other_settings(records: Records) -> Iterable[Finding]:
    """Seeds of one suite's entry that were not trained alike."""
    own = systems(record for _, record in records)
    for key, group in _grouped(records, _task).items():
        if not key[0]:
            continue
        what, (first, *others) = f"{key[1]} on {key[3]} (suite {key[0]})", group
        for folder, record in others:
            where = f"{folder} and {first[0]}"
            if own[record["system_sha256"]] != own[first[1]["system_sha256"]]:
                changed = differences(system_config(first[1]["config"]), system_config(record["config"]))
                shown = "; ".join(f"{k}: {old!r} and {new!r}" for k, (old, new) in list(changed.items())[:MAX_SHOWN])
                yield Finding(what, f"{where} have different configs: {shown}", AGAIN)
            if annotations_sha256(record) != annotations_sha256(first[1]):
                yield Finding(what, f"{where} were evaluated on different annotation files", AGAIN)


def _task(record: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """(suite, system, trained on, evaluated on, whose captions were asked): what has one record for each seed."""
    suite = record["suite"]
    trained = record["spec"].get("trained_on", record["spec"]["data"])
    return suite.get("name", ""), suite.get("entry", record["name"]), trained, data_name(record), _asked(record)


def _asked(record: Mapping[str, Any]) -> str:
    return next((str(s["source"]) for s in record["data"]["sources"] if s["role"] == "captions"), "")


def _grouped(records: Records, key: Callable[[Mapping[str, Any]], Any]) -> dict[Any, list[Item]]:
    groups: dict[Hashable, list[Item]] = {}
    for folder, record in records:
        groups.setdefault(key(record), []).append((folder, record))
    return groups


def _names(group: Records) -> str:
    shown = ", ".join(folder for folder, _ in group[:MAX_SHOWN])
    return shown + (f" and {len(group) - MAX_SHOWN} more" if len(group) > MAX_SHOWN else "")
