"""`make chaos`: kill programs at random moments, start them again at once, and look at what they leave.

    python tests/chaos/chaos.py --kills 100 --seed 0

Each scenario is first run undisturbed. Then it is killed with SIGKILL and restarted with the same command, without a
pause, until it has been killed often enough; whenever it gets to its end, its results are compared with those of the
undisturbed run, bit for bit, and it starts afresh. Half of the kills are spread over the whole time of a run, half over
the moments just after a file has changed. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from scenarios import ROOT, Scenario, leftovers, scenarios
from survivors import alive, marked, orphans

ORPHAN_SECONDS = 3.0
WATCH_SECONDS = 0.003
HANGS_AFTER = 20  # times an undisturbed run


@dataclass
class Outcome:
    """What came of a scenario; everything but the numbers should stay empty.

    Attributes:
        kills: how often it was killed.
        ends: how often it got to its end and was compared.
        refused: outputs of restarts that failed or hung.
        unlike: differences from the undisturbed run.
        left: files that it left behind.
        orphans: processes that lived on.
        seconds: the whole took.
    """

    name: str
    kills: int = 0
    ends: int = 0
    refused: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong, a line each."""
        parts = {"refused": self.refused, "different": self.unlike, "left over": self.left, "orphan": self.orphans}
        return [f"{self.name}: {kind}: {line}" for kind, lines in parts.items() for line in lines]


class Life:
    """A program from its start to its end or its kill."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.mark, self.folder, self.scenario = uuid.uuid4().hex, folder, scenario
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        environment = marked(self.mark) | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen(
            list(map(str, scenario.command(folder))),
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.victim = self.process.pid

    def end(self, timeout: float) -> bool:
        """Whether it ends well within the time."""
        try:
            return self.process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False

    def kill_at(self, chance: random.Random, duration: float) -> bool:
        """Kill it at a random moment; False if it ended before."""
        deadline = time.monotonic() + chance.uniform(0.0, 1.1 * duration)
        changes = chance.randint(1, 12) if chance.random() < 0.5 else None
        seen = self._stamp()
        while self.process.poll() is None:
            if changes is None and time.monotonic() >= deadline:
                break
            if changes is not None and (now := self._stamp()) != seen:
                seen, changes = now, changes - 1
                if changes == 0:
                    time.sleep(chance.expovariate(1 / 0.01))
                    break
            time.sleep(WATCH_SECONDS)
        if self.process.poll() is not None:
            return False
        ranks = [pid for pid, line in alive(self.mark).items() if pid != self.process.pid and "tools/train.py" in line]
        if self.scenario.ranks and ranks and chance.random() < 0.5:
            self.victim = chance.choice(ranks)
        try:
            os.kill(self.victim, signal.SIGKILL)
        except ProcessLookupError:
            return False
        if self.victim == self.process.pid:
            self.process.wait()
        return True

    def output(self) -> str:
        """The end of what it printed."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-1500:]

    def _stamp(self) -> set[tuple[str, int]]:
        """Changes whenever a file in the folder comes, goes or is written."""
        found, folders = set(), [str(self.folder)]
        while folders:
            try:
                for entry in os.scandir(folders.pop()):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    found.add((entry.path, entry.stat(follow_symlinks=False).st_mtime_ns))
            except OSError:
                continue
        return found


def torment(scenario: Scenario, base: Path, kills: int, chance: random.Random, until: float | None = None) -> Outcome:
    """Kill one scenario `kills` times, or until a point of `time.monotonic`."""
    outcome, began = Outcome(scenario.name), time.monotonic()
    watchers: list[threading.Thread] = []
    whole = _afresh(scenario, base / "whole")
    started = time.monotonic()
    first = Life(scenario, whole)
    lives = [first]
    if not first.end(timeout=600):
        outcome.refused.append(f"undisturbed: {first.output()}")
        return outcome
    duration = time.monotonic() - started
    killed = _afresh(scenario, base / "killed")
    while True:
        enough = outcome.kills >= kills or (until is not None and time.monotonic() >= until)
        life = Life(scenario, killed)
        lives.append(life)
        if not enough and life.kill_at(chance, duration):
            outcome.kills += 1
            watchers.append(threading.Thread(target=_watch, args=(life, outcome)))
            watchers[-1].start()
            continue
        if not life.end(timeout=max(60.0, HANGS_AFTER * duration)):
            outcome.refused.append(life.output())
            break
        outcome.ends += 1
        outcome.unlike += scenario.unlike(whole, killed)
        outcome.left += leftovers(killed)
        if enough:
            break
        killed = _afresh(scenario, base / "killed")
    for watcher in watchers:
        watcher.join()
    for life in lives:  # only what should not be there any more
        for pid in alive(life.mark):
            os.kill(pid, signal.SIGKILL)
        life.process.wait()
    outcome.seconds = time.monotonic() - began
    return outcome


def _watch(life: Life, outcome: Outcome) -> None:
    found = orphans(life.mark, ORPHAN_SECONDS)
    if life.victim != life.process.pid:
        found.pop(life.process.pid, None)  # torchrun itself was not killed and may take its time to say so
    outcome.orphans += [f"{pid}: {line}" for pid, line in found.items()]


def _afresh(scenario: Scenario, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scenario.prepare(folder)
    return folder


def table(outcomes: list[Outcome]) -> str:
    """All outcomes, a line each, and their sum."""
    lines = [f"{'scenario':<20}{'kills':>7}{'ends':>7}{'refused':>9}{'different':>11}{'left':>6}{'orphans':>9}{'s':>7}"]
    total = Outcome("all")
    for one in outcomes:
        total.kills, total.ends = total.kills + one.kills, total.ends + one.ends
        total.refused, total.unlike = total.refused + one.refused, total.unlike + one.unlike
        total.left, total.orphans = total.left + one.left, total.orphans + one.orphans
        total.seconds += one.seconds
    for one in (*outcomes, total):
        counts = len(one.refused), len(one.unlike), len(one.left), len(one.orphans)
        refused, unlike, left, lost = counts
        lines.append(
            f"{one.name:<20}{one.kills:>7}{one.ends:>7}{refused:>9}{unlike:>11}{left:>6}{lost:>9}{one.seconds:>7.0f}"
        )
    return "\n".join(lines)


def main() -> int:
    """Parse the arguments, torment, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="over all scenarios (default 100)")
    parser.add_argument("--seconds", type=float, help="stop killing after this time, shared by the scenarios")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="scenarios whose names hold a word")
    parser.add_argument("--keep", metavar="FOLDER", help="where the folders stay; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        base = Path(arguments.keep or temporary).resolve()
        chosen = [s for s in scenarios(base) if not arguments.only or any(word in s.name for word in arguments.only)]
        weights, outcomes = sum(s.weight for s in chosen), []
        for scenario in chosen:
            share = scenario.weight / weights
            until = None if arguments.seconds is None else time.monotonic() + share * arguments.seconds
            chance = random.Random(f"{arguments.seed} {scenario.name}")
            kills = max(1, round(share * arguments.kills))
            outcomes.append(torment(scenario, base / scenario.name.replace(" ", "-"), kills, chance, until))
            print(table(outcomes).splitlines()[-2], flush=True)
    wrong = [line for one in outcomes for line in one.wrong]
    print("", table(outcomes), "", *wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
