"""Take in a third party's records: check them as if nobody could be trusted, then copy them to their place, whole.

A submission is a folder with one record or several, each in a folder of its own. Beside record.json and ranks.npz may
lie an about.json: {"system": ..., "citation": ..., "code": a URL, "contact": ...}.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tbpsbench.config.flat import flatten
from tbpsbench.errors import DataError, TBPSError
from tbpsbench.files import atomic_folder
from tbpsbench.leaderboard.verify.group import GroupVerification, group_problems, verify_all
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.reading import read_json, shown
from tbpsbench.records.evidence import MAX_FILE
from tbpsbench.records.names import record_folder
from tbpsbench.records.read import MAX_RECORD, RECORD, find_records, read_record
from tbpsbench.records.schema import Finding

EVIDENCE = "ranks.npz"
ABOUT = "about.json"
LIMITS = {RECORD: MAX_RECORD, EVIDENCE: MAX_FILE, ABOUT: 64 << 10}
ABOUT_KEYS = ("system", "citation", "code", "contact")
# Folders that name a person, and absolute paths in general.
HOME = re.compile(r"(?:^|[\s'\"=:])(?:/home/|/Users/|[A-Za-z]:\\Users\\)([^/\\\s]+)")
ABSOLUTE = re.compile(r"^(?:/|~|[A-Za-z]:\\)")


class SubmissionError(TBPSError):
    """A submission is not taken; nothing was copied."""


@dataclass
class Submission:
    """What became of a submission.

    Attributes:
        source: the folder that was handed in.
        taken: (folder within it, folder within the records) of each record that was copied.
        known: the same of records that were there already, unchanged.
        warnings: what the sender should know before it is published.
        verification: of all records.
    """

    source: Path
    taken: list[tuple[str, str]] = field(default_factory=list)
    known: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    verification: GroupVerification | None = None

    def report(self) -> str:
        """The outcome as text."""
        lines = [f"warning  {warning}" for warning in self.warnings]
        lines += [f"{self.source / source} -> {target}" for source, target in self.taken]
        lines += [f"{self.source / source}: is there already, {target}" for source, target in self.known]
        for one in self.verification.records if self.verification else ():
            lines += [f"{one.folder}: not checked: {what}: {why}" for what, why in one.unchecked]
        return "\n".join([*lines, f"{self.source}: {len(self.taken)} records added"])


def submit(
    folder: str | Path, records: str | Path, *, data: str | Path | Literal["auto"] | None = None, rebuild: bool = False
) -> Submission:
    """Check a folder of records and copy them below `records`.

    Args:
        folder: what was handed in.
        records: root of the records; made if it is not there.
        data: root of the data set for `verify`; by default no file that the submission names is looked at.
        rebuild: draw MiniPEDES again to compare the annotations; needs `data="auto"`.

    Raises:
        DataError: if the folder does not exist.
        SubmissionError: listing everything that is wrong; nothing was copied then.
        StorageError: if a record cannot be written.
    """
    source, root = Path(folder), Path(records)
    folders = find_records(source)
    source = source if source.is_dir() else source.parent
    if not folders:
        raise SubmissionError(f"{source}: no {RECORD} below it. Submit the record folder that tools/train.py wrote.")
    _raise(source, [problem for one in folders for problem in _files(one)])
    found = Submission(source, verification=verify_all(source, data=data, rebuild=rebuild))
    assert found.verification is not None
    wrong = [problem for one in found.verification.records for problem in one.problems]
    _raise(source, [*wrong, *_unproved(found.verification)])
    there, unread = _there(root)
    found.warnings += unread
    plan = []
    for name, one in _named(source, found.verification):
        target = root / record_folder(one.record)
        names = name, record_folder(one.record)
        found.warnings += [*_private(names[0], one.record), *_about(one.folder, one.record)]
        if not target.exists():
            plan.append((one.folder, target, names))
        elif _same(one.folder, target):
            found.known.append(names)
        else:
            fix = "Records are never replaced. Give the system another name, or remove the old record first."
            _raise(source, [Finding(names[0], f"another record is there: {target}", fix)])
    # A submission may complete what is there, and must not repeat it; what was wrong there before is not its fault.
    known = {target for _, target in found.known}
    mine = [(str(one.folder), one.record) for one in found.verification.records]
    new = [item for item in mine if record_folder(item[1]) not in known]
    before = group_problems(there)
    _raise(source, [problem for problem in group_problems([*there, *new]) if problem not in before])
    for one_folder, target, names in plan:
        _copy(one_folder, target)
        found.taken.append(names)
    return found


def _named(source: Path, verification: GroupVerification) -> Iterator[tuple[str, Verification]]:
    """(folder within the submission, its verification) of each record."""
    for one in verification.records:
        yield one.folder.relative_to(source).as_posix(), one


def _there(root: Path) -> tuple[list[tuple[str, Mapping[str, Any]]], list[Finding]]:
    """Records that were taken in before, and those among them that cannot be read."""
    read: list[tuple[str, Mapping[str, Any]]] = []
    unread = []
    for folder in find_records(root) if root.is_dir() else []:
        try:
            read.append((str(folder), read_record(folder)))
        except DataError as error:
            fix = "Verify the folder and mend or remove it: nothing was compared with this record."
            unread.append(Finding(str(folder), str(error), fix))
    return read, unread


def _raise(source: Path, problems: list[Finding]) -> None:
    if problems:
        listing = "".join(f"\n  {problem}" for problem in problems)
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise SubmissionError(f"{source}: not added, {count}:{listing}\nNothing was copied.")


def _files(folder: Path) -> Iterator[Finding]:
    """Files that are missing, too large, or lead elsewhere."""
    for name, limit in LIMITS.items():
        path = folder / name
        if path.is_symlink():
            yield Finding(str(path), "is a link", "Submit the file itself.")
        elif not path.is_file():
            if name != ABOUT:
                yield Finding(str(path), "is missing", "A record is record.json and ranks.npz together.")
        elif (size := path.stat().st_size) > limit:
            yield Finding(str(path), f"has {size} bytes, more than {limit}", "Submit what tools/test.py writes.")


def _unproved(verification: GroupVerification) -> Iterator[Finding]:
    """Numbers that nothing was compared with: a metric or protocol that nobody here has would let any number in."""
    for one in verification.records:
        for what, why in () if one.problems else one.unproved:
            yield Finding(f"{shown(one.folder)}: {what}", why, "Install the plug-in that it belongs to.")


def _private(name: str, record: Mapping[str, Any]) -> Iterator[Finding]:
    """Paths that tell who the sender is; the config's hash forbids to take them out here."""
    fix = "If it should not be public, train with relative paths and submit that record."
    told = set()
    for place, value in flatten({"config": record["config"], "data": {"component": record["data"]["component"]}}):
        for text in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(text, str) or text in told:
                continue
            told.add(text)
            if user := HOME.search(text):
                yield Finding(f"{name}: {'.'.join(place)}", f"names a user, {user[1]!r}: {text}", fix)
            elif ABSOLUTE.match(text):
                yield Finding(f"{name}: {'.'.join(place)}", f"is a path on the sender's machine: {text}", fix)


def _about(folder: Path, record: Mapping[str, Any]) -> Iterator[Finding]:
    """What is missing or strange in about.json."""
    path = folder / ABOUT
    fix = f'Write {ABOUT}: {{"system": ..., "citation": ..., "code": a URL, "contact": ...}}.'
    if not path.is_file():
        yield Finding(str(folder), f"no {ABOUT}: nothing says whom to cite or ask", fix)
        return
    try:
        about = read_json(path)
    except DataError as error:
        yield Finding(str(path), str(error), fix)
        return
    if not isinstance(about, Mapping):
        yield Finding(str(path), "is not an object", fix)
        return
    if missing := [key for key in ABOUT_KEYS if not isinstance(about.get(key), str) or not about[key].strip()]:
        yield Finding(str(path), f"lacks {', '.join(missing)}", fix)
    if about.get("system", record["name"]) != record["name"]:
        yield Finding(str(path), f"is about {about['system']!r}, the record is of {record['name']!r}", fix)
    if isinstance(about.get("code"), str) and not about["code"].startswith(("https://", "http://")):
        yield Finding(str(path), f"code is not a URL: {about['code']!r}", fix)


def _same(folder: Path, target: Path) -> bool:
    return all(
        (target / name).is_file() and (folder / name).read_bytes() == (target / name).read_bytes()
        for name in (RECORD, EVIDENCE)
    )


def _copy(folder: Path, target: Path) -> None:
    """Copy a record to its place: whole or not at all, and a record that appeared there meanwhile stays."""
    with atomic_folder(target) as aside:
        for name in LIMITS:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, aside / name)
