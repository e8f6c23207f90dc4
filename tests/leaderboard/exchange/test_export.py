"""Committed records in the forms of other boards, read back by the library that reads such files."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from tbpsbench.records.read import read_record

RECORDS = Path("benchmarks/records/mini-pedes")


def record_of(name):
    (folder,) = sorted(RECORDS.glob(f"{name}_seed-0_*"))
    return folder


def exported(tool, record, out, *more, form="hugging-face"):
    flags = {
        "hugging-face": ("--dataset", "me/pedes"),
        "every-eval-ever": ("--model", "our-lab/two-tower", "--organization", "Our lab", "--relation", "first_party"),
    }[form]
    return tool("leaderboard", "export", record, "--form", form, "--out", out, *flags, *more)


def test_hugging_face_has_one_value_for_each_protocol(tool, tmp_path):
    folder = record_of("two-tower-m")
    code, out, err = exported(tool, folder, tmp_path, "--url", "https://example.org/records")
    assert (code, err) == (0, "")
    file = tmp_path / ".eval_results" / "mini-pedes.yaml"
    assert out == f"wrote {file}\n"
    record, entries = read_record(folder), parse_eval_result_entries(yaml.safe_load(file.read_text()))
    assert {entry.task_id: entry.value for entry in entries} == {
        name: round(result["scores"]["R@1"], 2) for name, result in record["results"].items()
    }
    for entry in entries:
        assert (entry.dataset_id, entry.date, entry.notes) == ("me/pedes", record["date"][:10], None)
        assert entry.source_url == "https://example.org/records"


def test_another_track_is_another_file_and_says_what_it_is(tool, tmp_path):
    folder = record_of("irra-itm-k-reciprocal")
    code, _, err = exported(tool, folder, tmp_path)
    assert (code, err) == (0, "")
    (file,) = tmp_path.rglob("*.yaml")
    assert file.name == "mini-pedes_rerank.yaml"
    entries = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    results = read_record(folder)["results"]
    # What stands beside a result for comparison ("before re-ranking") is no entry of the protocol.
    assert {entry.task_id for entry in entries} == {name for name in results if "(" not in name} != set(results)
    assert all(entry.notes.startswith("track rerank, ") and "transductive" in entry.notes for entry in entries)


def test_every_eval_ever_has_each_score_with_its_interval(tool, tmp_path):
    folder = record_of("two-tower-m")
    code, _, err = exported(tool, folder, tmp_path, form="every-eval-ever")
    assert (code, err) == (0, "")
    (file,) = tmp_path.rglob("*.json")
    assert file.parent == tmp_path / "data/mini-pedes/our-lab/two-tower"
    told, record = json.loads(file.read_text()), read_record(folder)
    assert {"schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library",
            "evaluation_results"} <= set(told)  # fmt: skip
    assert told["source_metadata"]["source_type"] == "evaluation_run"
    found = {one["evaluation_result_id"]: one for one in told["evaluation_results"]}
    assert set(found) == {f"{name}/{key}" for name, result in record["results"].items() for key in result["scores"]}
    for name, result in record["results"].items():
        for key, score in result["scores"].items():
            one = found[f"{name}/{key}"]
            assert one["score_details"]["score"] == score
            interval = one["score_details"]["uncertainty"]["confidence_interval"]
            assert [interval["lower"], interval["upper"]] == result["intervals_95"][key]
            assert one["metric_config"]["metric_parameters"] == {"k": int(key[2:])} if key.startswith("R@") else True
    for details in every(told, "additional_details"):
        assert all(isinstance(value, str) for value in details.values())
    exported(tool, folder, tmp_path, "--overwrite", form="every-eval-ever")
    assert list(tmp_path.rglob("*.json")) == [file]


def every(value, key):
    """All values of a key, at any depth."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if name == key:
            yield inner
        if isinstance(inner, dict | list):
            yield from every(inner, key)


def test_a_data_sets_repository_is_named_where_there_is_one(tool, tmp_path):
    exported(tool, record_of("two-tower-m"), tmp_path, "--dataset", "me/pedes", form="every-eval-ever")
    (file,) = tmp_path.rglob("*.json")
    source = json.loads(file.read_text())["evaluation_results"][0]["source_data"]
    assert (source["source_type"], source["hf_repo"], source["hf_split"]) == ("hf_dataset", "me/pedes", "test")


def test_a_record_that_does_not_verify_is_not_exported(tool, tmp_path):
    folder = shutil.copytree(record_of("two-tower-m"), tmp_path / "record")
    changed = read_record(folder)
    changed["results"]["standard"]["scores"]["R@1"] += 1
    (folder / "record.json").write_text(json.dumps(changed))
    code, _, err = exported(tool, folder, tmp_path / "out")
    assert code == 2
    assert "R@1" in err
    assert "Only records that verify are exported; nothing was written" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--form", "hugging-face"], "--dataset OWNER/NAME is missing"),
        (["--form", "hugging-face", "--dataset", "pedes"], "--dataset pedes: expected OWNER/NAME"),
        (["--form", "every-eval-ever", "--model", "a/b"], "this form needs --model OWNER/NAME, --organization NAME"),
        (["--form", "every-eval-ever", "--model", "a/b/c"], "--model a/b/c: expected OWNER/NAME"),
    ],
)
def test_what_is_missing_is_named(tool, tmp_path, arguments, message):
    code, _, err = tool("leaderboard", "export", record_of("clip"), "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


def test_a_models_repository_holds_one_model_on_one_data_set(tool, tmp_path):
    code, _, err = exported(tool, RECORDS, tmp_path / "out")
    assert code == 2
    assert "A model's repository holds one: name the folder of its record" in err
    assert len(err) < 400
    both = tmp_path / "both"
    for name in ("one", "two"):
        shutil.copytree(record_of("clip"), both / name)
    code, _, err = exported(tool, both, tmp_path / "out")
    assert code == 2
    assert "several records of the track dual-encoder" in err
    changed = read_record(both / "two")
    changed["spec"]["data"] = "Other"
    (both / "two" / "record.json").write_text(json.dumps(changed))
    code, _, err = exported(tool, both, tmp_path / "out")
    assert code == 2
    assert "records on MiniPEDES, Other" in err


def test_what_lies_there_stays(tool, tmp_path):
    folder, file = record_of("clip"), tmp_path / ".eval_results" / "mini-pedes.yaml"
    file.parent.mkdir()
    file.write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    code, _, err = exported(tool, folder, tmp_path)
    assert code == 2
    assert "is there already. Choose another folder, or pass --overwrite" in err
    assert file.read_text() == "mine"
    assert exported(tool, folder, tmp_path, "--overwrite")[0] == 0
    assert yaml.safe_load(file.read_text())
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_folder_without_records_is_named(tool, tmp_path):
    code, _, err = exported(tool, tmp_path, tmp_path / "out")
    assert code == 2
    assert "no record.json below it" in err
