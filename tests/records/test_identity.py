"""What "the same" means: run, system, data, result; and that committed systems keep their fingerprints."""

import json
from pathlib import Path

import pytest

from tbpsbench.config.load import load_config
from tbpsbench.config.settings import Settings
from tbpsbench.records.identity import (
    data_key,
    is_transfer,
    record_identity,
    same_run,
    system_config,
    system_key,
    system_sha256,
    systems,
)

DEMO = "configs/mini/two-tower_mini-pedes.py"
RECORDS = sorted(Path("benchmarks/records").rglob("record.json"))


def values(*overrides):
    return Settings.of(load_config(DEMO, overrides).values).values()


@pytest.mark.parametrize(
    "override",
    ["seed=7", "name=other", "runtime.threads=1", "runtime.log_interval=3", "data.num_workers=0",
     "data.cache_dir=/tmp/x", "data.dataset.root=/elsewhere", "model.disentangler=dict(type='PatchMean')",
     "data.views={}", "data.extras=()", "data.more_captions=[]", "data.text_transforms=()",
     "data.captions_per_sample=1"],
)  # fmt: skip
def test_what_changes_no_number_leaves_the_system_the_same(override):
    assert system_sha256(values(override)) == system_sha256(values())


@pytest.mark.parametrize(
    "override",
    ["optimizer.lr=0.5", "data.dataset.size=tiny", "model.losses.itc.temperature=0.1", "evaluation.ties=stable",
     "model.disentangler=dict(type='BDAM', depth=1, heads=2)", "data.views=dict(second=[])", "data.extras=['camera']",
     "data.text_transforms=[dict(type='WordDrop')]", "data.captions_per_sample=2"],
)  # fmt: skip
def test_what_changes_a_number_is_another_system(override):
    assert system_sha256(values(override)) != system_sha256(values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["schedule.warmup_epochs=0"], ["schedule.warmup_epochs=0.0"]),
        (["runtime.clip_grad_norm=1"], ["runtime.clip_grad_norm=1.0"]),
        (["model.losses.itc.temperature=1"], ["model.losses.itc.temperature=1.0"]),
        (["data.mean=(0, 1, 0.5)"], ["data.mean=(0.0, 1.0, 0.5)"]),
        (["data.dataset=dict(type='MiniPEDES')"], ["data.dataset=dict(type='MiniPEDES', seed=0, root='/x')"]),
        (["plugins=[]"], ["plugins=['irra']"]),
    ],
)
def test_two_spellings_are_one_system(one, other):
    """Each has the hash of what was written, which records are verified by."""
    one, other = values(*one), values(*other)
    assert system_key(one) == system_key(other)
    assert system_sha256(one) != system_sha256(other)


@pytest.mark.parametrize("override", ["optimizer.lr=0.5", "data.dataset.seed=1", "runtime.clip_grad_norm=2"])
def test_another_value_is_another_system_however_it_is_spelt(override):
    assert system_key(values(override)) != system_key(values())
    assert system_key(values("model.losses.itc.x=True")) != system_key(values("model.losses.itc.x=1"))


def test_records_of_one_system_share_a_text():
    def record(stored, *overrides):
        return {"config": values(*overrides), "system_sha256": stored or system_sha256(values(*overrides))}

    whole, point, other, forged = (
        record(None, "runtime.clip_grad_norm=2"),
        record(None, "runtime.clip_grad_norm=2.0", "seed=3"),
        record(None),
        record("f" * 64),
    )
    found = systems([whole, point, other, forged])
    texts = [found[one["system_sha256"]] for one in (whole, point, other, forged)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3, "a hash that is not its config's stays alone"
    assert systems([whole]) == {whole["system_sha256"]: whole["system_sha256"]}


def test_every_committed_record_keeps_its_system():
    assert len(RECORDS) > 200
    keys: dict[str, str] = {}
    for path in RECORDS:
        record = json.loads(path.read_text())
        assert system_sha256(record["config"]) == record["system_sha256"], path
        again = Settings.of(record["config"]).values()
        assert system_sha256(again) == record["system_sha256"], path
        assert keys.setdefault(system_key(again), record["system_sha256"]) == record["system_sha256"], "rows stay rows"


def test_a_run_may_go_on_where_no_number_changes():
    assert same_run("data.num_workers")
    assert same_run("evaluation.batch_size")
    assert not same_run("seed")
    assert same_run("optimizer.lr", ("optimizer",))
    assert not same_run("optimizers.lr", ("optimizer",))


def test_data_are_the_same_wherever_they_lie_and_however_they_are_written():
    plain = data_key({"type": "MiniPEDES"})
    assert data_key({"type": "MiniPEDES", "root": "/x", "domain": "street", "seed": 0}) == plain
    assert data_key({"type": "MiniPEDES", "seed": 1}) != plain
    assert data_key({"type": "MiniPEDES", "identities": 20.0}) == data_key({"type": "MiniPEDES", "identities": 20})
    assert data_key({"type": "ICFGPEDES", "val_carve": True}) == data_key({"type": "ICFGPEDES"})
    assert data_key({"type": "NotInstalled", "root": "/x", "part": 2}) == data_key({"type": "NotInstalled", "part": 2})


def test_transfer_and_identity_of_a_record():
    record = {
        "name": "a", "seed": 1, "system_sha256": "f" * 64, "config": {"data": {"dataset": {"type": "MiniPEDES"}}},
        "data": {"component": {"type": "MiniPEDES", "domain": "street"}}, "spec": {"data": "MiniPEDES"},
    }  # fmt: skip
    assert not is_transfer(record)
    assert is_transfer({**record, "data": {"component": {"type": "MiniPEDES", "domain": "indoor"}}})
    assert record_identity(record) == ("a", 1, "f" * 64, data_key({"type": "MiniPEDES"}))


def test_what_makes_a_system_holds_no_folder():
    assert "root" not in system_config(values("data.dataset.root=/home/me"))["data"]["dataset"]
