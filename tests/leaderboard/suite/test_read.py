"""Suites: what they ask for, and what is wrong with them, before anything is trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from tbpsbench.errors import ConfigError
from tbpsbench.leaderboard.suite.read import read_suite, suite_title
from tbpsbench.records.identity import system_sha256

DEMO = Path("configs/mini/two-tower_mini-pedes.py").resolve()
SUITES = sorted(Path("configs/leaderboards").glob("*.py"))


def suite(tmp_path, **changes):
    values = {
        "title": "A suite",
        "entries": {"a": {"config": str(DEMO)}, "b": {"config": str(DEMO), "options": ["optimizer.lr=1e-4"]}},
        "datasets": {"mini-pedes": []},
        "seeds": (0, 1),
        **changes,
    }
    path = tmp_path / "suite.py"
    path.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    return path


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_shipped_suite_is_sound(path):
    tasks = read_suite(path)
    assert tasks
    assert len({task.key for task in tasks}) == len(tasks), "two runs would share a folder"
    assert len({task.seed for task in tasks}) > 1
    assert suite_title(path)


def test_tasks_are_entries_times_data_times_seeds_first_seed_first(tmp_path):
    tasks = read_suite(suite(tmp_path, datasets={"mini-pedes": [], "again": ["data.batch_size=32"]}))
    assert [(task.entry, task.data, task.seed) for task in tasks][:5] == [
        ("a", "mini-pedes", 0), ("b", "mini-pedes", 0), ("a", "again", 0), ("b", "again", 0), ("a", "mini-pedes", 1),
    ]  # fmt: skip
    assert len(tasks) == 8
    values = tasks[3].load().values
    assert (values["optimizer"]["lr"], values["data"]["batch_size"], values["seed"]) == (1e-4, 32, 0)
    assert values["name"] == "b"


def test_data_set_is_filled_into_the_configs_name(tmp_path):
    entries = {"a": {"config": str(DEMO).replace("mini-pedes", "{data}")}}
    assert read_suite(suite(tmp_path, entries=entries))[0].config == DEMO


def test_other_data_are_asked_for_but_not_the_trained_ones(tmp_path):
    transfer = {"indoor": ["data.dataset.domain=indoor"], "own": ["data.dataset.domain=street"]}
    task = read_suite(suite(tmp_path, transfer=transfer))[0]
    assert len(task.wanted()) == 2
    assert [settings.data.dataset["domain"] for settings in task.elsewhere()] == ["indoor"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": {}}, "a suite has entries"),
        ({"sedes": (0,)}, "Did you mean 'seeds'"),
        ({"seeds": ()}, "at least one seed"),
        ({"entries": {"a": {"config": "gone.py"}}}, "no such config file"),
        ({"entries": {"a": {"confg": str(DEMO)}}}, "Did you mean 'config'"),
        ({"entries": {"a": {"config": str(DEMO), "datasets": ["mini-pedess"]}}}, "Did you mean 'mini-pedes'"),
        ({"options": ["model.losses.itc.temprature=1"]}, "Did you mean 'temperature'"),
        ({"transfer": {"x": ["data.dataset.domian=indoor"]}}, "Did you mean 'domain'"),
    ],
)
def test_wrong_suite_is_refused_before_anything_runs(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        read_suite(suite(tmp_path, **change))


def started(**entries):
    return {name: {"config": str(DEMO), **entry} for name, entry in entries.items()}


def test_entry_starts_from_the_run_of_the_same_seed_and_is_another_system_for_it(tmp_path):
    entries = started(a={}, b={"start": "a"}, c={"start": "b"}, d={})
    tasks = {(t.entry, t.seed): t for t in read_suite(suite(tmp_path, entries=entries))}
    first, second, third = (tasks[name, 1] for name in "abc")
    assert (second.start, third.start) == (first, second)
    told = second.load().values["load_from"]
    assert told == {"file": first.key, "system": system_sha256(first.settings.values())}
    moved = replace(second, work=tmp_path / "work")
    assert moved.load().values["load_from"]["file"] == str(tmp_path / "work" / first.key)
    assert (moved.key, moved.wanted()) == (second.key, second.wanted())
    assert len({t.key.rpartition("_")[2] for t in tasks.values()}) == 3, "a and d are one system"


def test_start_on_the_same_data_or_on_its_only_ones(tmp_path):
    datasets = {"one": [], "two": ["data.batch_size=32"]}
    entries = started(a={"datasets": ["one"]}, b={"start": "a"}, c={"start": "b"})
    found = {(t.entry, t.data): t.start for t in read_suite(suite(tmp_path, entries=entries, datasets=datasets))}
    assert {data: found["b", data].data for data in datasets} == {"one": "one", "two": "one"}
    assert {data: found["c", data].data for data in datasets} == {"one": "one", "two": "two"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"ab": {}, "b": {"start": "abb"}}, r"no entry is called 'abb'.*Did you mean 'ab'"),
        ({"a": {"start": "a"}}, r"entries\.a\.start +leads in a circle: a <- a"),
        ({"a": {"start": "b"}, "b": {"start": "c"}, "c": {"start": "a"}}, "circle: a <- b <- c <- a"),
        ({"a": {"start": "b"}, "b": {"start": "c"}, "c": {"start": "b"}}, "circle: b <- c <- b"),
        ({"a": {"start": 3}}, "no entry is called 3"),
        ({"a": {"datasets": ["one", "two"]}, "b": {"start": "a"}}, "'a' is trained on one, two, and not on 'three'"),
    ],
)
def test_wrong_start_is_refused(tmp_path, entries, message):
    datasets = {"one": [], "two": ["data.batch_size=32"], "three": ["data.batch_size=16"]}
    with pytest.raises(ConfigError, match=message):
        read_suite(suite(tmp_path, entries=started(**entries), datasets=datasets))


def test_all_wrong_entries_are_listed_at_once(tmp_path):
    entries = {"a": {"config": "gone.py"}, "b": {"config": str(DEMO), "options": ["nothing.here=1"]}}
    with pytest.raises(ConfigError, match=r"2 of its runs cannot be trained(?s:.)*gone\.py(?s:.)*nothing"):
        read_suite(suite(tmp_path, entries=entries))
