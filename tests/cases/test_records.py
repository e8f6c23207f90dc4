"""Records that once broke a tool, or that no run can have written: refused, each with the reason, and never with a
traceback."""

import copy
import json
import random
import shutil

import numpy as np
import pytest
from cases import FOLDER, each_case, refusal, within_limits, written

from tbpsbench.leaderboard.verify.group import group_problems, verify_all
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.leaderboard.verify.submit import SubmissionError, submit
from tbpsbench.records.read import RECORD
from tbpsbench.records.schema import schema_problems

WHOLE = FOLDER / "record" / "dup-a"


@pytest.fixture
def place(tmp_path):
    """Put a text, or bytes, where a record's would be, beside ranks that are right."""

    def put(text):
        folder = tmp_path / "parcel" / "record"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(WHOLE / "ranks.npz", folder / "ranks.npz")
        (folder / RECORD).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        return folder

    return put


def refused(folder, shelf):
    """What verify, verify_all and submit say of a record that is wrong; nothing may be taken in."""
    with within_limits():
        found = verify(folder, data=None)
    assert not found.ok, "accepted in silence"
    report = found.report()
    report.encode("utf-8")
    with within_limits():
        assert not verify_all(folder, data=None).ok
    assert isinstance(refusal(submit, folder, shelf), SubmissionError)
    assert not shelf.exists()
    return report


@each_case("record")
def test_folder_is_refused(case, tmp_path):
    if case.name in ("dup-a", "dup-b"):  # wrong only together
        assert verify(case, data=None).ok
        return
    refused(case, tmp_path / "shelf")


@each_case("record-verify", "record-group", "record-submit", "record-doctor", "record-render")
def test_text_is_refused(case, place, tmp_path):
    refused(place(written(case)), tmp_path / "shelf")


@each_case("record-bytes")
def test_bytes_are_refused(case, place, tmp_path):
    refused(place(case.read_bytes()), tmp_path / "shelf")


@each_case("npz-headers")
def test_ranks_with_odd_headers_are_refused(case, place, tmp_path):
    folder = place((WHOLE / RECORD).read_bytes())
    shutil.copy(case, folder / "ranks.npz")
    assert "ranks.npz" in refused(folder, tmp_path / "shelf")


def test_one_run_as_two_seeds_is_refused_together_and_one_after_the_other(tmp_path):
    shelf = tmp_path / "shelf"
    for name in ("dup-a", "dup-b"):
        shutil.copytree(FOLDER / "record" / name, tmp_path / "parcel" / name)
    with pytest.raises(SubmissionError, match="exactly the same"):
        submit(tmp_path / "parcel", shelf)
    submit(tmp_path / "parcel" / "dup-a", shelf)
    there = sorted(path.relative_to(shelf) for path in shelf.rglob("*"))
    with pytest.raises(SubmissionError, match="checkpoint: 2 records of other seeds or systems"):
        submit(tmp_path / "parcel" / "dup-b", shelf)
    assert sorted(path.relative_to(shelf) for path in shelf.rglob("*")) == there
    assert len(submit(tmp_path / "parcel" / "dup-a", shelf).known) == 1


# What no run of ours can have measured: place in the record, value.
IMPOSSIBLE = {
    "results/standard/heads": {"global": {"R@1": 500.0, "R@5": 1.0, "R@10": 1.0, "mAP": 1.0, "mINP": 1.0}},
    "results/standard/scores/R@1": -1.0,
    "results/standard/queries": 2**40,
    "results/standard/gallery": -1,
    "results": {},
    "data/counts": {str(number): {"ids": 1, "images": 1, "captions": 1} for number in range(1000)},
    "config/evaluation/metrics": [{"type": "RecallAtK", "ks": list(range(1, 1000))}],
    "cost/train_s": -1.0,
    "cost/parameters": True,
    "config/hooks": {"a\rb": 1},
    "cost/energy_j": "much",
    "cost/peak_memory_bytes": 1e308,
    "cost/own": [1],
    "date": "2999-01-01T00:00:00+00:00",
    "seed": -1,
    "name": "a\u2028b",
    "spec/split": "",
    "data/sources/0/file": "x" * 5000,
    "suite": {"seeds": [2**40]},
    "selection/history": {"epoch": 4},
    "selection/test_evaluations": 0,
    "config/evaluation/interval": 0,
    "config/evaluation/protocols": [],
    "plugins": [{"name": "x", "version": "1", "error": None, "used": 1}],
    "config/schedule/max_epochs": 10**12,
}


@pytest.mark.parametrize("where", IMPOSSIBLE)
def test_impossible_value_is_refused_and_named(where):
    record = json.loads((WHOLE / RECORD).read_text())
    *path, last = where.split("/")
    parent = record
    for key in path:
        parent = parent[int(key) if isinstance(parent, list) else key]
    parent[last] = IMPOSSIBLE[where]
    found = " ".join(map(str, schema_problems(record)))
    assert where.replace("/", ".") in found, found


def deep(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), 10**5000, "\ud800", "a\0b", {1, 2}, b"bytes", np.float32(1), object(), deep(5000)],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_cannot_hold_are_findings_wherever_they_are(value):
    record = json.loads((WHOLE / RECORD).read_text())
    record["data"]["sources"][0]["notes"]["odd"] = value
    assert schema_problems(record)
    assert group_problems([("a", record), ("b", record)]) == []


VALUES = [
    None, True, 0, -1, 2**31, 2**63 - 1, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", " ", "x",
    "..", "../x", "/", "a/b", "a\nb", "a\rb", "\0", "\ud800", "\u202e", "=1+1", "x" * 300, "x" * 5000, "😀", [], [[]],
    [None], {}, {"": ""}, {"type": "x"}, {"type": None}, [{"type": "x"}], deep(50), deep(150), "2026-01-01T00:00:00",
    "1" * 64,
]  # fmt: skip


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def mutate(record, draw):
    """Change a few places of a record: other values, missing keys, renamed keys, values of other places."""
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        every = [path for path in places(record) if path]
        *path, last = draw.choice(every)
        parent = record
        for key in path:
            parent = parent[key]
        kind = draw.random()
        if kind < 0.15:
            del parent[last]
        elif kind < 0.25 and isinstance(parent, dict):
            parent[str(draw.choice(["", "x", "a/b", "\ud800", "a\nb", "type", "root", "x" * 300]))] = parent.pop(last)
        elif kind < 0.4:
            other = record
            for key in draw.choice(every):
                if not isinstance(other, dict | list) or (isinstance(other, dict) and key not in other):
                    break
                if isinstance(other, list) and not (isinstance(key, int) and key < len(other)):
                    break
                other = other[key]
            parent[last] = copy.deepcopy(other)
        else:
            parent[last] = copy.deepcopy(draw.choice(VALUES))


@pytest.mark.parametrize("seed", range(8))
def test_mutated_records_end_in_a_report_or_a_documented_error(seed, place, tmp_path):
    """Schema, verify, group and submit on records that are wrong anywhere, with hashes that were made to fit."""
    from tbpsbench.config.flat import fingerprint
    from tbpsbench.records.identity import system_sha256

    draw = random.Random(seed)
    whole = json.loads((WHOLE / RECORD).read_text())
    for number in range(40):
        record = copy.deepcopy(whole)
        mutate(record, draw)
        problems = schema_problems(record)
        group_problems([("whole", whole), ("mutated", record)])
        if not problems and draw.random() < 0.7:
            record["config_sha256"] = fingerprint(record["config"])
            record["system_sha256"] = system_sha256(record["config"])
        try:
            text = json.dumps(record)
        except (ValueError, RecursionError):
            continue
        folder, shelf = place(text), tmp_path / "shelf" / str(number)
        with within_limits():
            found = verify(folder, data=None)
        found.report().encode("utf-8")
        assert found.line().isprintable(), found.line()
        assert bool(problems) <= (not found.ok)
        error = refusal(submit, folder, shelf)
        assert (error is None) == found.ok, f"{error}\n{found.report()}"
