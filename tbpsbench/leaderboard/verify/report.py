"""What a verification found: problems, what was checked, and what could not be, each in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.reading import shown
from tbpsbench.records.schema import Finding

UNSCORED = "that the ranks come from the checkpoint"
MAX_SHOWN = 3


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
        unproved: those of them without which numbers are only claimed: scores that nothing was compared with, ...
    """

    folder: Path
    record: dict[str, Any] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    unchecked: list[tuple[str, str]] = field(default_factory=list)
    unproved: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong as far as could be checked, and every score could be."""
        return not self.problems and not self.unproved

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

    def doubt(self, what: str, why: str) -> None:
        """Note a check that could not be made, and without which the verification is no success."""
        self.skip(what, why)
        self.unproved.append((what, why))

    def joined(self, again: Verification) -> Verification:
        """This one with what a second look at the same record found; what that looked at is no longer unchecked."""
        return Verification(
            self.folder,
            self.record,
            [*self.problems, *(problem for problem in again.problems if problem not in self.problems)],
            list(dict.fromkeys([*self.checked, *again.checked])),
            [*(row for row in self.unchecked if row[0] != UNSCORED or not again.checked), *again.unchecked],
            [*self.unproved, *again.unproved],
        )

    def head(self) -> str:
        """The outcome in a line: the folder, and how many problems, or what is not proved."""
        count, name = len(self.problems), shown(self.folder)
        if count:
            return f"{name}: {count} problem{'s' * (count > 1)}"
        return f"{name}: NOT CHECKED: {self.unproved[0][0]}" if self.unproved else f"{name}: no problems"

    def line(self) -> str:
        """The outcome in a line, with the first problems."""
        said = [problem.line() for problem in self.problems[:MAX_SHOWN]]
        said += [why for _, why in self.unproved[:1]] if not said else []
        more = f" (and {len(self.problems) - MAX_SHOWN} more)" if len(self.problems) > MAX_SHOWN else ""
        return ": ".join([self.head(), *["; ".join(said)] * bool(said)]).replace("\n", " ") + more

    def report(self) -> str:
        """The outcome as text, all of it."""
        lines = [self.head(), *(f"  PROBLEM  {line}" for line in map(str, self.problems))]
        lines += [f"  checked  {what}" for what in self.checked]
        lines += [f"  NOT CHECKED  {what}: {why}" for what, why in self.unchecked]
        return "\n".join(lines)


def _short(value: object, width: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."
