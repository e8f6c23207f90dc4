"""Which records a suite takes for its own: those that asked the captions of the data set that it names."""

import json
import shutil
from dataclasses import replace
from typing import ClassVar

import pytest

from tbpsbench import registry
from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.errors import DataError
from tbpsbench.leaderboard.suite.read import not_evaluated, read_suite
from tbpsbench.leaderboard.suite.run import run_suite
from tbpsbench.leaderboard.suite.wanted import all_there, records_there
from tbpsbench.records.identity import annotations_sha256, data_key, is_transfer
from tbpsbench.records.names import record_folder
from tbpsbench.records.usable import free_folder

from ..factory import DEMO, OPTIONS, edit, imagine, make, read


@pytest.fixture
def table():
    """A data set of a plug-in, whose folder alone says what it holds."""

    class TableSet(PersonSearchDataset):
        name: ClassVar[str] = "Table"

        def prepare(self, *, splits_file=None, allow_partial=False):
            raise DataError("comes prepared")

    registry.DATASETS.register("TableSet")(TableSet)
    yield TableSet
    registry.DATASETS.remove("TableSet")


def filled(root, name, captions):
    """A folder of the plug-in's data set."""
    imagined = imagine(root / f"{name}-made", captions=captions)
    records = read_annotations(imagined.human).records
    write_annotations(root / name / "human.jsonl", "Table", "human", records)
    return root / name


def suite(folder, **changes):
    values = {
        "title": "Tables",
        "entries": {"a": {"config": str(DEMO)}},
        "datasets": {"one": []},
        "seeds": (0,),
        "options": list(OPTIONS),
        **changes,
    }
    path = folder / "suite.py"
    path.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    return path


def as_record(task, settings, made, records, annotations):
    """A finished record of a task, put where a run puts it."""
    found = read(made)
    found |= {"name": task.entry, "seed": task.seed, "config": task.settings.values()}
    found["data"]["component"] = dict(settings.data.dataset)
    found["data"]["sources"][0]["sha256"] = read_annotations(annotations).sha256
    edit(made, lambda r: r.update(found), hashes=True)
    target = free_folder(records, read(made))
    shutil.copytree(made, target)
    return target


def test_two_folders_of_a_plug_ins_data_set_are_two_tasks(tmp_path, table):
    one, two = filled(tmp_path, "one", 1), filled(tmp_path, "two", 2)
    datasets = {name: [f"data.dataset=dict(type='TableSet', root='{tmp_path / name}')"] for name in ("one", "two")}
    first, second = read_suite(suite(tmp_path, datasets=datasets))
    assert data_key(first.settings.data.dataset) == data_key(second.settings.data.dataset)
    made, records = make(tmp_path / "run", imagine(tmp_path / "any")), tmp_path / "records"
    places = [as_record(first, first.settings, made, records, one / "human.jsonl")]
    there = records_there(records, ["a"])
    assert all_there(first.wanted(), there)
    assert not all_there(second.wanted(), there), "the record of one folder is not that of the other"
    places.append(as_record(second, second.settings, made, records, two / "human.jsonl"))
    assert len(set(places)) == 2, "neither takes the other's place"
    there = records_there(records, ["a"])
    assert all_there(first.wanted(), there)
    assert all_there(second.wanted(), there)


def test_without_the_data_the_folders_name_decides_for_plug_ins_only(tmp_path, table):
    made, records = make(tmp_path / "run", imagine(tmp_path / "any")), tmp_path / "records"
    one = filled(tmp_path, "one", 1)
    datasets = {name: [f"data.dataset=dict(type='TableSet', root='{tmp_path / name}')"] for name in ("one", "gone")}
    first, gone = read_suite(suite(tmp_path, datasets=datasets))
    as_record(first, first.settings, made, records, one / "human.jsonl")
    assert not all_there(gone.wanted(), records_there(records, ["a"]))
    elsewhere = ["data.dataset.root=/nowhere/MiniPEDES"]
    (mini,) = read_suite(suite(tmp_path, datasets={"one": elsewhere}))
    as_record(mini, mini.settings, made, records, tmp_path / "any" / "default-0" / "human.jsonl")
    (moved,) = read_suite(suite(tmp_path, datasets={"one": ["data.dataset.root=/another/MiniPEDES"]}))
    assert all_there(moved.wanted(), records_there(records, ["a"])), "MiniPEDES is the same wherever it lies"


def test_transfer_to_another_folder_is_evaluated_and_what_is_not_is_said(tmp_path, table):
    one, two = filled(tmp_path, "one", 1), filled(tmp_path, "two", 2)
    datasets = {"one": [f"data.dataset=dict(type='TableSet', root='{one}')"]}
    transfer = {
        "two": [f"data.dataset=dict(type='TableSet', root='{two}')"],
        "own": [f"data.dataset=dict(type='TableSet', root='{one}')"],
    }
    (task,) = tasks = read_suite(suite(tmp_path, datasets=datasets, transfer=transfer))
    assert [settings.data.dataset["root"] for settings in task.elsewhere()] == [str(two)]
    (line,) = not_evaluated(tasks)
    assert "'own'" in line
    assert "'one'" in line
    made, records = make(tmp_path / "run", imagine(tmp_path / "any")), tmp_path / "records"
    for settings, folder in ((task.settings, one), (task.elsewhere()[0], two)):
        assert not all_there(task.wanted(), records_there(records, ["a"]))
        as_record(task, settings, made, records, folder / "human.jsonl")
    assert all_there(task.wanted(), records_there(records, ["a"]))
    said = []
    assert run_suite(tmp_path / "suite.py", records, tmp_path / "work", said.append) == 0
    assert said == [line]


def test_other_captions_of_the_same_data_are_other_data(tmp_path):
    """Where the data are not at hand, the source's name tells whose captions were asked."""
    transfer = {"told": ["data.captions=dict(type='told')"]}
    (task,) = [
        replace(task, transfer=transfer)
        for task in read_suite(suite(tmp_path, datasets={"one": ["data.dataset.root=/nowhere"]}))
    ]
    assert len(task.wanted()) == 2
    assert task.own_data() == []
    made, records = make(tmp_path / "run", imagine(tmp_path / "any")), tmp_path / "records"
    human = tmp_path / "any" / "default-0" / "human.jsonl"
    as_record(task, task.settings, made, records, human)
    assert not all_there(task.wanted(), records_there(records, ["a"]))
    edit(made, lambda r: r["data"]["sources"][0].update(source="told", file="told.jsonl"))
    place = as_record(task, task.settings, made, records, tmp_path / "any" / "default-0" / "told.jsonl")
    assert "_on-" in place.name
    assert all_there(task.wanted(), records_there(records, ["a"]))


def test_a_data_set_that_transfer_names_again_lies_where_the_suite_says(tmp_path):
    datasets = {"one": ["data.dataset.root=/data/street"], "in": ["data.dataset.root=/data/in", "data.dataset.seed=1"]}
    transfer = {
        "in": ["data.dataset=dict(type='MiniPEDES', seed=1)"],
        "far": ["data.dataset=dict(type='MiniPEDES', seed=2)"],
    }
    first, second = read_suite(suite(tmp_path, datasets=datasets, transfer=transfer))
    assert [settings.data.dataset.get("root") for settings in first.elsewhere()] == ["/data/in", None]
    assert not_evaluated([first, second]) == [
        "not evaluated as other data: 'in', by what is trained on 'in': they are the same data"
    ]


def test_records_of_others_do_not_stop_a_suite(tmp_path, monkeypatch):
    """Unreadable, foreign, or of a data set whose plug-in cannot be imported here."""
    monkeypatch.setitem(registry.DATASETS._builtins, "Broken", "no.such.module:Broken")
    made, records = make(tmp_path / "run", imagine(tmp_path / "any")), tmp_path / "records"
    (task,) = read_suite(suite(tmp_path, datasets={"one": ["data.dataset.root=/nowhere"]}))
    as_record(task, task.settings, made, records, tmp_path / "any" / "default-0" / "human.jsonl")
    odd = {
        "component": lambda r: r["data"].update(component=["x"]),
        "type": lambda r: r["data"].update(component={"type": ["x"]}),
        "broken": lambda r: r["data"].update(component={"type": "Broken"}),
        "own-broken": lambda r: (r.update(name="a"), r["data"].update(component={"type": "Broken"})),
        "data": lambda r: r.update(data=[]),
        "name": lambda r: r.update(name=["a"]),
    }
    for name, change in odd.items():
        shutil.copytree(made, records / name)
        edit(records / name, change)
    (records / "empty").mkdir()
    (records / "empty" / "record.json").write_bytes(b"\xff")
    assert run_suite(tmp_path / "suite.py", records, tmp_path / "work", lambda _: None) == 0


def test_a_record_of_other_captions_has_a_place_of_its_own(tmp_path):
    record = read(make(tmp_path / "run", imagine(tmp_path / "any")))
    own = record_folder(record)
    assert not own.endswith(annotations_sha256(record)[:8])
    told = json.loads(json.dumps(record))
    told["data"]["sources"][0] |= {"source": "paraphrased", "file": "paraphrased.jsonl", "sha256": "e" * 64}
    assert record_folder(told) == f"{own}_on-eeeeeeee"
    table = json.loads(json.dumps(record))
    table["config"]["data"]["dataset"] = table["data"]["component"] = {"type": "NotInstalled", "root": "/a"}
    assert not is_transfer(table)
    assert record_folder(table) == f"{own}_on-{annotations_sha256(record)[:8]}"
    assert is_transfer({**table, "data": {**table["data"], "component": {"type": "NotInstalled", "root": "/b"}}})


@pytest.mark.parametrize("length", [10, 300, 100_000])
def test_names_of_any_length_make_folders(tmp_path, length):
    record = read(make(tmp_path / "run", imagine(tmp_path / "any")))
    record |= {"name": "n" * length, "spec": {**record["spec"], "data": "d" * length, "trained_on": "t" * length}}
    folder = record_folder(record)
    (tmp_path / folder).mkdir(parents=True)
    assert record_folder({**record, "name": "n" * length + "m"}) != folder
    (task,) = read_suite(suite(tmp_path, entries={"e/../" + "n" * min(length, 190): {"config": str(DEMO)}}))
    assert "/" not in task.key
    assert len(task.key) < 250
    (tmp_path / task.key).mkdir()


def test_an_entry_is_called_what_the_suite_calls_it(tmp_path):
    entries = {name: {"config": str(DEMO)} for name in ("1", "None", "a b", "it's", "[/bold]", "$x$", "\\x")}
    assert [task.load().values["name"] for task in read_suite(suite(tmp_path, entries=entries))] == list(entries)


def test_a_csv_file_that_has_changed_is_another_data_set(tmp_path):
    """Its annotations lie there from the last run; the captions in the table are those that count."""
    rows = [
        f"{pid}/{k}.png,{pid},{split},a person"
        for pid, split in ((1, "train"), (2, "val"), (3, "test"))
        for k in (0, 1)
    ]
    table = tmp_path / "mine" / "mine.csv"
    table.parent.mkdir()
    table.write_text("\n".join(["file,pid,split,caption", *rows]) + "\n")
    options = [f"data.dataset=dict(type='CSVDataset', root='{table.parent}', file='mine.csv')"]
    (task,) = read_suite(suite(tmp_path, datasets={"one": options}))
    made, records = make(tmp_path / "run", imagine(tmp_path / "any")), tmp_path / "records"
    (wanted,) = task.wanted()
    place = as_record(task, task.settings, made, records, wanted.annotations)
    assert "_on-" in place.name
    assert all_there(task.wanted(), records_there(records, ["a"]))
    table.write_text(table.read_text().replace("a person", "a woman"))
    assert not all_there(task.wanted(), records_there(records, ["a"]))
