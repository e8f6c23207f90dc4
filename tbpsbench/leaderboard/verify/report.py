"""What a verification found: problems, what was checked, and what could not be, each in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.records.schema import Finding

UNSCORED = "that the ranks come from the checkpoint"


@dataclass
class Verification:
    """The outcome of verifying one record.

    A check that could not be made stands in `unchecked` with the reason, never in `checked`.

    Attributes:
        folder: of the record.
        record: its JSON; empty if it cannot be read.
        problems: what is wrong.
        checked: checks that were made; their problems, if any, are in `problems`.
        unchecked: (check, why it was not made).
    """

    folder: Path
    record: dict[str, Any] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    unchecked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong as far as could be checked."""
        return not self.problems

    def problem(self, what: str, message: str, fix: str) -> None:
        """Note something that is wrong."""
        self.problems.append(Finding(what, message, fix))

    def equal(self, what: str, recorded: object, found: object, fix: str, source: str) -> None:
        """Note a problem unless the record says what `source` says."""
        if recorded != found:
            self.problem(what, f"the record says {_short(recorded)}, {source} says {_short(found)}", fix)

    def skip(self, what: str, why: str) -> None:
        """Note a check that could not be made."""
        self.unchecked.append((what, why))

    def joined(self, again: Verification) -> Verification:
        """This one with what a second look at the same record found; what that looked at is no longer unchecked."""
        return Verification(
            self.folder,
            self.record,
            [*self.problems, *(problem for problem in again.problems if problem not in self.problems)],
            list(dict.fromkeys([*self.checked, *again.checked])),
            [*(row for row in self.unchecked if row[0] != UNSCORED or not again.checked), *again.unchecked],
        )

    def report(self) -> str:
        """The outcome as text."""
        count = len(self.problems)
        head = f"{self.folder}: " + (f"{count} problem{'s' * (count > 1)}" if count else "no problems")
        lines = [head, *(f"  PROBLEM  {line}" for line in map(str, self.problems))]
        lines += [f"  checked  {what}" for what in self.checked]
        lines += [f"  NOT CHECKED  {what}: {why}" for what, why in self.unchecked]
        return "\n".join(lines)


def _short(value: object, width: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."
