"""What a reviewer would object to, each objection provoked in a record that had none."""

import shutil

import pytest

from tbpsbench.leaderboard.doctor.doctor import doctor
from tbpsbench.leaderboard.doctor.record import SEVERITIES
from tbpsbench.leaderboard.render.rows import COSTS

from ..factory import edit, imagine, make, make_seeds, read


def blameless(record):
    """What the factory cannot give: a clean commit, a wide test split, real photographs."""
    record["code"] = {"commit": "c" * 40, "dirty": False}
    record["data"]["dataset"] = record["spec"]["data"] = record["spec"]["trained_on"] = "RSTPReid"
    record["selection"]["queries"] = 2000
    record["selection"]["history"].append({"epoch": 9, "score": 0.0})
    record["cost"] = dict.fromkeys(COSTS, 1) | {"peak_memory_bytes": {"host": 1}}
    record["results"]["standard"]["intervals_95"]["R@1"] = [60.0, 64.0]
    # What a run on two kinds of device, or a lucky seed, would differ in.
    record["results"]["standard"]["scores"]["R@1"] = 62.0 + 0.1 * record["seed"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    root = tmp_path_factory.mktemp("doctor")
    for folder in make_seeds(root / "records", imagine(root / "data")):
        edit(folder, blameless)
    return root / "records"


@pytest.fixture
def records(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "records")


@pytest.fixture
def record(records):
    return records / "system-0" / "record"


def test_nothing_to_object_to(records):
    found = doctor(records)
    assert found.objections == [], found.report()
    assert "3 records; 0 serious, 0 question, 0 remark" in found.report()


def put(place, value):
    def change(record):
        *path, last = place.split("/")
        for key in path:
            record = record[key]
        record[last] = value

    return change


PLUGIN = {"name": "irra", "version": "1.0", "error": None, "used": True, "target": "x", "distribution": "x"}
SOURCE = {"role": "descriptions", "source": "mtg", "file": "mtg.jsonl", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("place", "value", "severity", "message"),
    [
        ("selection/rule", "test", "serious", "chosen on the test split"),
        ("selection", {"rule": "given"}, "question", "checkpoint was given"),
        ("selection", {"rule": "given", "complete": False}, "serious", "does not fit the model"),
        ("selection/test_evaluations", 4, "serious", "evaluated 4 times"),
        ("selection/queries", 24, "remark", "chosen by 24 queries"),
        ("selection/epoch", 9, "remark", "best epoch is the last"),
        ("code/dirty", True, "question", "uncommitted changes"),
        ("code/commit", None, "question", "no commit is known"),
        ("plugins", [{**PLUGIN, "error": "ImportError"}], "serious", "failed to load"),
        ("plugins", [{**PLUGIN, "error": "ImportError", "used": False}], "remark", "failed to load"),
        ("plugins", [{**PLUGIN, "version": "unknown"}], "question", "version is unknown"),
        ("data/partial", True, "serious", "the data are incomplete"),
        ("data/counts", {}, "question", "were not counted"),
        ("data/dataset", "MiniPEDES", "remark", "drawn figures"),
        ("spec/split", "val", "question", "split 'val'"),
        ("spec/trained_on", "CUHK-PEDES", "remark", "trained on CUHK-PEDES"),
        ("leaks", ["gallery text equals a test query"], "serious", "what it must not know"),
        ("protocol/ties", "optimistic", "serious", "'optimistic'"),
        ("protocol/ties", "stable", "question", "'stable'"),
        ("results/standard/tied_queries", 60, "serious", "collapsed"),
        ("results/standard/tied_queries", 5, "question", "have ties"),
        ("results/standard/skipped_queries", 5, "question", "left out"),
        ("results/standard/intervals_95/R@1", [40.0, 70.0], "remark", "30 points wide"),
        ("config/runtime/deterministic", False, "question", "bit for bit"),
        ("config/runtime/amp", "bf16", "remark", "trained in bf16"),
        ("cost/energy_j", None, "remark", "unknown: energy"),
        ("seed", 1, "serious", "seeds 0 of the suite are missing"),
        ("system_sha256", "0" * 64, "question", "2 different configs have this name"),
        ("code/commit", "d" * 40, "question", "several versions of the code"),
        ("environment/device", "another", "remark", "several kinds of device"),
        ("results/standard/scores/R@1", 90.0, "question", "varies by"),
    ],
)
def test_objection(records, record, place, value, severity, message):
    edit(record, put(place, value))
    found = [objection for objection in doctor(records).objections if message in objection.message]
    assert found, doctor(records).report()
    assert found[0].severity == severity
    assert found[0].fix


@pytest.mark.parametrize(
    ("notes", "made_from", "message"),
    [({"simulated": True}, {"mllm": "x"}, "come from a simulation"), ({}, {}, "nothing says what the texts")],
)
def test_descriptions_of_doubtful_origin(records, record, notes, made_from, message):
    source = {**SOURCE, "notes": notes, "made_from": made_from}
    edit(record, lambda r: r["data"]["sources"].append(source))
    text = doctor(records).report()
    assert message in text
    assert "trained with different texts" in text


def test_one_seed_and_two_seeds(records):
    for seed in (0, 1, 2):
        edit(records / f"system-{seed}" / "record", lambda r: r.update(suite={}))
    shutil.rmtree(records / "system-2")
    assert "2 seeds only" in doctor(records).report()
    shutil.rmtree(records / "system-1")
    assert "one seed only" in doctor(records).report()
    assert doctor(records).serious == 1


def test_systems_side_by_side(tmp_path):
    imagined, other = imagine(tmp_path / "data"), imagine(tmp_path / "other", identities=9)
    make(tmp_path / "r" / "a", imagined, name="a")
    make(tmp_path / "r" / "b", other, name="b", options=("evaluation.selection=last", "evaluation.ties=stable"))
    text = doctor(tmp_path / "r").report()
    for message in ("several annotation files", "order ties by several rules", "checkpoints by several rules"):
        assert message in text


def test_equal_objections_are_told_once_and_the_serious_first(records):
    for seed in (0, 1):
        edit(records / f"system-{seed}" / "record", put("code/dirty", True))
        edit(records / f"system-{seed}" / "record", put("leaks", ["a leak"]))
    found = doctor(records)
    assert [objection.severity for objection in found.objections] == ["serious", "question"]
    assert found.objections[0].records == ("system-0/record", "system-1/record")
    assert set(SEVERITIES) >= {objection.severity for objection in found.objections}


def test_validation_score_that_equals_the_test_score_is_asked_about(records, record):
    score = read(record)["results"]["standard"]["scores"]["mAP"]
    edit(record, put("selection/score", score))
    assert "exactly a test score" in doctor(records).report()


def test_record_that_cannot_be_read_is_listed(records, record):
    edit(record, lambda r: r.pop("cost"))
    found = doctor(records)
    assert found.records == 2
    assert "cost: is missing" in found.report()


def test_a_copy_of_a_run(records):
    shutil.copytree(records / "system-0", records / "system-0-again")
    assert "the result of seed 0 is there 2 times" in doctor(records).report()


def test_seeds_with_several_versions_of_a_plug_in(records, record):
    other = [{**PLUGIN, "name": "aside", "used": False}]
    for seed in (0, 1, 2):
        version = "1.1" if seed == 2 else "1.0"
        edit(records / f"system-{seed}" / "record", put("plugins", [{**PLUGIN, "version": version}, *other]))
    (found,) = doctor(records).objections
    assert found.severity == "question"
    assert found.message == "its seeds were trained with several versions of plug-ins: irra 1.0, irra 1.1"
    edit(record, put("plugins", [{**PLUGIN, "version": "1.0"}]))
    edit(records / "system-2" / "record", put("plugins", [{**PLUGIN, "version": "1.0"}, {**other[0], "version": "9"}]))
    assert doctor(records).objections == [], "what a run did not use is nobody's concern"


def test_two_spellings_of_a_number_are_no_two_configs(records, record):
    edit(record, put("config/runtime/clip_grad_norm", 1), hashes=True)
    for seed in (1, 2):
        edit(records / f"system-{seed}" / "record", put("config/runtime/clip_grad_norm", 1.0), hashes=True)
    assert len({read(records / f"system-{seed}" / "record")["system_sha256"] for seed in (0, 1)}) == 2
    assert doctor(records).objections == [], doctor(records).report()
    edit(record, put("config/runtime/clip_grad_norm", 2), hashes=True)
    assert "2 different configs have this name: runtime.clip_grad_norm" in doctor(records).report()
