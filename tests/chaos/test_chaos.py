"""A few of the kills of `make chaos`, and that it would notice what is wrong."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # chaos.py is a script, not a package

from chaos import Outcome, table, torment
from scenarios import Scenario, leftovers, scenarios


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train, 1 workers", "submit", "prepare_data", "cache", "MiniPEDES"])
def test_killed_and_restarted_programs_end_as_undisturbed_ones(tmp_path, name):
    scenario = next(one for one in scenarios(tmp_path) if one.name == name)
    kills = 1 if name.startswith("train") else 2
    outcome = torment(scenario, tmp_path / "here", kills=kills, chance=random.Random(name))
    assert outcome.wrong == []
    assert outcome.kills == kills
    assert outcome.ends >= 1


BAD = """
import pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
assert not (folder / "lock").exists(), "locked"
(folder / "lock").touch()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
for number in range(20):
    (folder / f".{number}.tmp").touch()
    time.sleep(0.05)
(folder / "result").write_text(str(time.time()))
(folder / "lock").unlink()
"""


def test_orphans_leftovers_differences_and_refusals_are_seen(tmp_path):
    def command(folder):
        return [sys.executable, "-c", BAD, folder]

    def unlike(one, other):
        return ["result"] if (one / "result").read_text() != (other / "result").read_text() else []

    scenario = Scenario("bad", 1, command, unlike)
    undisturbed = torment(scenario, tmp_path / "undisturbed", kills=0, chance=random.Random(0))
    assert undisturbed.unlike == ["result"]
    assert ".0.tmp" in undisturbed.left
    killed = torment(scenario, tmp_path / "killed", kills=1, chance=random.Random(0))
    assert killed.kills == 1
    assert killed.orphans
    assert any("locked" in output for output in killed.refused)
    assert [line.split(": ")[1] for line in killed.wrong][:1] == ["refused"]


def test_hidden_files_that_are_no_locks_are_left_over(tmp_path):
    for name in (".lock", ".build.lock", ".images-4x4-x.lock", ".cache/a", "b", ".c.x.tmp", ".d/e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert leftovers(tmp_path) == [".c.x.tmp", ".d"]


def test_the_table_sums_up():
    lines = table([Outcome("a", kills=2, orphans=["x"]), Outcome("b", kills=3)]).splitlines()
    assert lines[-1].split()[:3] == ["all", "5", "0"]
    assert lines[-1].split()[-2] == "1"
