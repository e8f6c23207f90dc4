"""What verification must catch, each by a record that was whole before, and what it must say that it did not check."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.records.evidence import read_evidence
from tbpsbench.records.read import RECORD

from ..factory import edit, edit_ranks, fix_hashes, places, unchecked


@pytest.mark.parametrize("name", ["val", "last", "test", "told"])
def test_untouched_record_has_no_problem(runs, name):
    found = verify(runs / name / "record")
    assert found.ok, found.report()
    # What a MiniPEDES of other size holds, scores of single heads, and the ranks themselves.
    assert [what.split()[0] for what, _ in found.unchecked] == ["counts", "scores", "that"]
    assert any("checkpoint" in what for what in found.checked)
    assert any("leak guard" in what for what in found.checked)
    assert "no problems" in found.report()


def test_checks_that_cannot_be_made_are_said_not_to_be(run, tmp_path):
    shutil.copytree(run, tmp_path / "alone")
    found = verify(tmp_path / "alone", data=None)
    assert found.ok, found.report()
    assert "checkpoint" in unchecked(found)
    assert "annotation files" in unchecked(found)
    assert "heads" in unchecked(found)
    assert not any("checkpoint" in what or "annotation" in what for what in found.checked)
    assert "NOT CHECKED  that the ranks come from the checkpoint" in found.report()


def test_data_that_are_gone_are_not_checked(run):
    def move(record):
        record["data"]["component"]["root"] = record["config"]["data"]["dataset"]["root"] = "/gone"

    edit(run, move, hashes=True)
    found = verify(run)
    assert "annotation files" in unchecked(found)


def set_at(place, value):
    """An edit: one value of the record; "+" adds to the number that is there."""

    def change(record):
        *path, last = place.split("/")
        for key in path:
            record = record[int(key) if isinstance(record, list) else key]
        record[last] = record[last] + value[1] if isinstance(value, tuple) else value

    return change


ADD = "+"
EDITS = {
    "results/standard/scores/R@1": (ADD, 5.0),
    "results/standard/scores/mAP": (ADD, 1e-3),
    "results/standard/queries": (ADD, 1),
    "results/standard/gallery": (ADD, -1),
    "results/standard/identities": (ADD, 1),
    "results/standard/skipped_queries": (ADD, 1),
    "results/standard/tied_queries": (ADD, 1),
    "results/standard/intervals_95/R@1": [60.0, 61.0],
    "track": "gallery-text",
    "leaks": ["a leak"],
    "seed": 5,
    "protocol/ties": "optimistic",
    "protocol/image_size": [256, 128],
    "spec/data": "MiniPEDES (large)",
    "data/counts/test/captions": (ADD, 2),
    "data/partial": True,
    "selection/rule": "last",
    "selection/split": "test",
    "selection/queries": (ADD, 1),
    "selection/epoch": 3,
    "selection/score": (ADD, 1.0),
    "selection/metric": "R@1",
    "selection/test_evaluations": 3,
    "selection/history": [],
    "config/evaluation/metric": "R@5",
    "config/optimizer/lr": 1.0,
    "config_sha256": "0" * 64,
    "system_sha256": "0" * 64,
    "checkpoint/bytes": 1,
    "status": "reported",
    "date": 2026,
    "evidence/sha256": "0" * 64,
    "evidence/file": "../ranks.npz",
}


@pytest.mark.parametrize("place", EDITS)
def test_one_edited_value_is_found(run, place):
    edit(run, set_at(place, EDITS[place]))
    found = verify(run)
    assert not found.ok
    assert all(problem.message and problem.fix for problem in found.problems)


@pytest.mark.parametrize("place", ["results/standard/scores/R@1", "results/standard/intervals_95/mAP", "spec/data"])
def test_problem_names_the_place(run, place):
    edit(run, set_at(place, [1.0, 2.0] if "intervals" in place else "other" if "spec" in place else 99.0))
    assert place.replace("/", ".") in places(verify(run))


def better(arrays):
    """The first query that missed its person hits."""
    first = arrays["standard/ranks"][arrays["standard/offsets"][:-1]]
    arrays["standard/ranks"][arrays["standard/offsets"][np.flatnonzero(first > 0)[0]]] = 0


def test_edited_rank_is_found_by_the_hash(run):
    edit_ranks(run, better)
    assert "evidence.sha256" in places(verify(run))


def test_edited_rank_with_its_hash_is_found_by_the_scores(run):
    edit_ranks(run, better)
    fix_hashes(run)
    found = verify(run)
    assert "evidence.sha256" not in places(found)
    assert "results.standard.scores.R@1" in places(found)


@pytest.mark.parametrize(
    ("array", "change", "message"),
    [
        ("ranks", lambda a: a[::-1], "ascend"),
        ("offsets", lambda a: a + 1, "offsets"),
        ("gallery_size", lambda a: a - 30, "outside its gallery"),
        ("query_pid", lambda a: a[:-1], "query_pid"),
        ("query_id", lambda a: a * 0, "occurs twice"),
        ("query", lambda a: a * 0, "listed twice"),
        ("query_pid", lambda a: a.astype(object), "objects"),
        ("ties_rule", lambda _: np.array("kind"), "ties_rule"),
    ],
)
def test_arrays_that_cannot_be_ranks_are_refused(run, array, change, message):
    edit_ranks(run, lambda arrays: arrays.update({f"standard/{array}": change(arrays[f"standard/{array}"])}))
    fix_hashes(run)
    found = verify(run)
    assert "ranks.npz" in places(found)
    assert message in found.report()
    assert "every number of the results" in unchecked(found)


def test_queries_given_to_other_people_are_found_in_the_annotations(run):
    def swap(arrays):
        pids = arrays["standard/query_pid"]
        arrays["standard/query_pid"] = np.where(pids == pids.max(), pids.min(), pids)

    edit_ranks(run, swap)
    fix_hashes(run)
    assert "of other people" in verify(run).report()


def test_truncated_or_missing_ranks_are_a_problem_not_a_crash(run):
    path = run / "ranks.npz"
    path.write_bytes(path.read_bytes()[:-200])
    assert "not a whole npz" in verify(run).report()
    path.unlink()
    assert "no such file" in verify(run).report()


def test_objects_are_never_unpickled(run, tmp_path):
    class Code:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / "executed",)

    edit_ranks(run, lambda arrays: arrays.update({"standard/ranks": np.array([Code()], dtype=object)}))
    assert "Python objects" in verify(run).report()
    assert not (tmp_path / "executed").exists()


def test_header_that_promises_too_much_allocates_nothing(run):
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header = header.ljust(117) + b"\n"
    with zipfile.ZipFile(run / "ranks.npz", "a") as archive:
        archive.writestr("more/ranks.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(DataError, match="not as long as its header says"):
        read_evidence(run / "ranks.npz")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_unknown_schema_is_refused_and_nothing_else_looked_at(run, version):
    edit(run, lambda r: r.update(schema=version))
    found = verify(run)
    assert [problem.what for problem in found.problems] == ["schema"]
    assert "everything else" in unchecked(found)


@pytest.mark.parametrize(
    "key", sorted(["name", "spec", "selection", "checkpoint", "data", "protocol", "results", "cost"])
)
def test_missing_key_is_named(run, key):
    edit(run, lambda r: r.pop(key) and None)
    assert key in verify(run).report()


def test_file_that_is_no_record_is_a_problem(run):
    (run / RECORD).write_text("{}")
    assert "not a record" in verify(run).report()
    (run / RECORD).write_text("{")
    assert "not valid JSON" in verify(run).report()


@pytest.mark.parametrize(
    ("component", "said", "problem"),
    [
        ({"type": "KReciprocal"}, False, "rerank: KReciprocal"),
        ({"type": "ImageTextMatching"}, True, "rerank: ImageTextMatching"),
        ({"type": "ImageTextMatching", "join": "range"}, False, "rerank: ImageTextMatching"),
        ({"type": "KReciprocal", "k1": 0}, True, "k1 (0) and k2 (6) must be positive"),
        ({"type": "ImageTextMatching", "join": "range"}, True, None),
        ({"type": "KReciprocal"}, True, None),
    ],
)
def test_whether_a_re_ranker_is_transductive_follows_from_its_arguments(run, component, said, problem):
    def change(record):
        record["rerank"] = [{"component": component, "transductive": said}]
        record["config"]["evaluation"]["rerank"] = [component]

    edit(run, change, hashes=True)
    found = [str(line) for line in verify(run).problems if str(line).startswith("rerank: ")]
    assert [problem in line for line in found] == [True] if problem else found == []
