"""Entries that start from others: who waits for whom. Tasks are done by a stand-in that leaves what a run leaves."""

import json
from pathlib import Path

import pytest

from tbpsbench.leaderboard.suite import run
from tbpsbench.leaderboard.suite.order import Order
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.leaderboard.suite.run import RunError, run_suite
from tbpsbench.records.read import read_records

DEMO = Path("configs/mini/two-tower_mini-pedes.py").resolve()


@pytest.fixture
def path(tmp_path):
    """c starts from b, b from a; written the other way round."""
    entries = {
        name: {"config": str(DEMO), **more} for name, more in (("c", {"start": "b"}), ("b", {"start": "a"}), ("a", {}))
    }
    values = {"title": "T", "entries": entries, "datasets": {"mini": []}, "seeds": (0,)}
    path = tmp_path / "suite.py"
    path.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    return path


@pytest.fixture
def done(path, monkeypatch):
    """Stands in for training: names of the entries in the order in which they were done; `fails` fail."""
    tasks, order, there, fails = read_suite(path), [], set(), set()

    def work(_path, number, _records, folder):
        order.append(tasks[number].entry)
        folder.mkdir(parents=True, exist_ok=True)
        if tasks[number].entry in fails:
            return 1
        (folder / "best.pth").write_bytes(b"weights")
        (folder / "run.json").write_text(json.dumps({"status": "finished"}))
        there.add(tasks[number].entry)
        return 0

    monkeypatch.setattr(run, "_work", work)
    monkeypatch.setattr(run, "all_there", lambda wanted, _there: {one.identity[0] for one in wanted} <= there)
    monkeypatch.setattr(run, "WAIT_SECONDS", 0.01)
    order.clear()
    return order, there, fails


def test_each_is_done_after_its_start_wherever_it_is_written(path, done, tmp_path):
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 3
    assert done[0] == ["a", "b", "c"]
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 0


def test_what_starts_from_a_failed_run_fails_and_says_why(path, done, tmp_path):
    done[2].add("b")
    with pytest.raises(RunError, match=r"2 of 3 runs failed(?s:.)*its start failed: b, seed 0"):
        run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None)
    assert done[0] == ["a", "b"]


def test_start_whose_checkpoint_is_gone_is_trained_again_though_its_records_are_there(path, done, tmp_path):
    done[1].update("ab")
    run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None)
    assert done[0] == ["a", "b", "c"]


def test_a_run_is_trained_when_it_is_finished_and_its_checkpoint_is_there(path, tmp_path):
    tasks = read_suite(path)
    folders = [tmp_path / task.entry for task in tasks]
    order = Order.of(tasks, folders)
    assert [order.waits_for(number) for number in range(3)] == [1, 2, None]
    folders[2].mkdir()
    (folders[2] / "best.pth").write_bytes(b"w")
    (folders[2] / "run.json").write_text(json.dumps({"status": "running"}))
    assert not order.is_trained(2)
    (folders[2] / "run.json").write_text(json.dumps({"status": "finished"}))
    assert order.is_trained(2)
    assert order.with_starts([0]) == [0, 1]


@pytest.mark.slow
def test_two_real_runs_one_after_the_other(suite, tmp_path):
    path = suite(seeds=(0,))
    text = path.read_text().replace("'b': {", "'b': {'start': 'a', ")
    path.write_text(text)
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 2
    found = {record["name"]: record for _, record in read_records(tmp_path / "records")}
    assert found["b"]["started_from"]["checkpoint"] == found["a"]["checkpoint"]
    assert found["b"]["config"]["load_from"]["system"] == found["a"]["system_sha256"]
