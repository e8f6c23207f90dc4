"""Odd records and suites: the doctor and boards name them, and nobody else's record suffers; compare and run go on."""

import csv
import io
import random
import shutil
from pathlib import Path

import pytest
from cases import FOLDER, each_case, refusal, within_limits, written
from mutations import changed, mutated
from rich.console import Console

from tbpsbench.config.load import load_config
from tbpsbench.errors import DataError, TBPSError
from tbpsbench.leaderboard.compare.compare import compare
from tbpsbench.leaderboard.compare.system import find_system
from tbpsbench.leaderboard.doctor.doctor import doctor
from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.collect import collect
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.leaderboard.suite.wanted import records_there
from tbpsbench.records.names import record_folder
from tbpsbench.records.read import read_record
from tbpsbench.records.table import print_record
from tbpsbench.records.usable import read_usable, usable_records

RECORDS = Path("benchmarks/records/mini-pedes")
GOOD = ("irra", "clip")
SYSTEMS = (*GOOD, "rde", "bdam-mamba-s-24", "two-tower-m")
ROUNDS, TURNS = 3, 100


def folder_of(system, seed=0):
    (found,) = RECORDS.glob(f"{system}_seed-{seed}_*")
    return found


@pytest.fixture
def shelf(tmp_path):
    """Two good records; a case is put beside them as `case`."""
    for system in GOOD:
        shutil.copytree(folder_of(system), tmp_path / "records" / system)
    return tmp_path / "records"


def put(shelf, case):
    """The case as a record: a folder of one, or the repr of a record.json's text."""
    if case.is_dir():
        shutil.copytree(case, shelf / "case")
    else:
        (shelf / "case").mkdir()
        (shelf / "case" / "record.json").write_bytes(written(case).encode("utf-8", "surrogatepass"))


@each_case("record", "record-doctor", "record-render", "record-group", "record-verify", "record-submit")
def test_doctor_reports_on_an_odd_record_or_names_it(shelf, case):
    put(shelf, case)
    with within_limits():
        found = doctor(shelf)
        found.report().encode("utf-8")
    assert found.records + len(found.unread) == 3
    assert {folder for folder, _ in found.unread} <= {"case"}


@each_case("record", "record-doctor", "record-render", "record-group", "record-verify", "record-submit")
def test_board_shows_the_others_whatever_a_record_holds(tool, shelf, tmp_path, case):
    put(shelf, case)
    with within_limits():
        code, out, err = tool("leaderboard", "render", shelf, "--out", tmp_path / "board")
    assert (code, out.count("wrote")) == (0, 4), err
    lines = list(csv.DictReader(io.StringIO((tmp_path / "board" / "board.csv").read_text(encoding="utf-8"))))
    assert set(GOOD) <= {line["system"] for line in lines}
    behind = {record for line in lines for record in line["records"].split("; ")}
    assert ("case" in behind) != ("left out: case: " in err), "shown or named"


@each_case("record", "record-doctor", "record-render", "record-group", "record-verify", "record-submit")
def test_comparing_and_running_go_on_beside_an_odd_record(shelf, case):
    put(shelf, case)
    with within_limits():
        assert compare(*(find_system(name, shelf) for name in GOOD)).report()
        assert len(records_there(shelf, GOOD)) >= len(GOOD)
    assert isinstance(refusal(find_system, "no such system", shelf), DataError)


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    return shutil.copytree("configs", tmp_path_factory.mktemp("suites") / "configs")


@each_case("suite-values")
def test_odd_suite_is_refused_in_words(configs, case):
    path = configs / "leaderboards" / "case.py"
    path.write_bytes(written(case).encode("utf-8", "surrogatepass"))
    error = refusal(read_suite, path)
    assert error is None or str(path) in str(error)


def test_suites_of_the_field_test_are_all_refused(configs):
    """What broke the reader is no suite: none of these may pass in silence."""
    path = configs / "leaderboards" / "case.py"
    for case in sorted((FOLDER / "suite-values").iterdir()):
        path.write_bytes(written(case).encode("utf-8", "surrogatepass"))
        assert isinstance(refusal(read_suite, path), TBPSError), case


def test_changed_suites_are_read_or_refused_in_words(configs):
    chance, counted = random.Random(0), {True: 0, False: 0}
    values = load_config("configs/leaderboards/mini_noise.py").values
    path = configs / "leaderboards" / "case.py"
    read_suite("configs/leaderboards/mini_noise.py")  # imports what the limits on time are not about
    for _ in range(TURNS):
        names = changed(values, chance)
        text = "".join(f"{name} = {value!r}\n" for name, value in names.items() if name.isidentifier())
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        counted[refusal(read_suite, path) is None] += 1
    assert all(counted.values()), counted


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_changed_records_are_shown_or_named(tmp_path, shelf, seed):
    """Anything anywhere in a record: what passes the gate is taken by every reader, and the rest is named."""
    chance = random.Random(seed)
    originals = [read_record(folder_of(system)) for system in SYSTEMS]
    path = shelf / "case" / "record.json"
    path.parent.mkdir()
    counted = {True: 0, False: 0}
    for turn in range(TURNS):
        path.write_text(mutated(chance.choice(originals), chance))
        shown = refusal(read_usable, path.parent) is None
        counted[shown] += 1
        if shown:
            record = read_record(path)
            assert max(map(len, record_folder(record).split("/"))) < 250
            print_record(record, console=Console(file=io.StringIO()))
        if shown or turn % 10 == 0:
            found = doctor(shelf)
            found.report().encode("utf-8")
            assert len(found.unread) == (not shown)
            board = collect(shelf)
            render(board.rows, board.records, tmp_path / "board", "T")
            assert len({row.system for row in board.rows} & set(GOOD)) == len(GOOD)
            records_there(shelf, [*GOOD, *(record["name"] for _, record in usable_records(shelf).records)])
    assert all(counted.values()), counted
