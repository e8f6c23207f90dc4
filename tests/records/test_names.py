"""Folders of records: readable, the same for everyone, and never outside the records' root."""

import copy

import pytest

from tbpsbench.records.identity import is_transfer
from tbpsbench.records.names import record_folder, slug

from ..leaderboard.factory import imagine, make, read


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    root = tmp_path_factory.mktemp("names")
    return read(make(root / "run", imagine(root), name="IRRA + MTG", seed=7))


def changed(record, **changes):
    record = copy.deepcopy(record)
    for place, value in changes.items():
        at, keys = record, place.split("__")
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value
    return record


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CUHK-PEDES", "cuhk-pedes"),
        ("MiniPEDES (tiny, indoor)", "mini-pedes-tiny-indoor"),
        ("système", "systeme"),
        ("../../etc", "etc"),
        ("***", "unnamed"),
    ],
)
def test_slug_is_a_plain_folder_name(name, expected):
    assert slug(name) == expected


def test_folder_names_data_system_seed_and_settings(record):
    assert record_folder(record) == f"mini-pedes/irra-mtg_seed-7_{record['system_sha256'][:8]}"
    assert not is_transfer(record)


def test_validation_results_and_transfer_have_their_own_folders(record):
    elsewhere = changed(
        record, spec__data="MiniPEDES (indoor)", data__component={"type": "MiniPEDES", "domain": "indoor"}
    )
    digest = record["data"]["sources"][0]["sha256"][:8]
    start = f"irra-mtg_from-mini-pedes_seed-7_{record['system_sha256'][:8]}"
    assert record_folder(elsewhere) == f"mini-pedes-indoor/{start}_on-{digest}"
    # Another population has the same name: its own folder all the same.
    again = changed(record, data__component={"type": "MiniPEDES", "seed": 1})
    assert record_folder(again) == f"mini-pedes/{start}_on-{digest}"
    assert record_folder(changed(record, spec__split="val")).startswith("mini-pedes-val/")


def test_folder_of_the_data_set_does_not_matter(record):
    moved = changed(record, data__component={**record["data"]["component"], "root": "/elsewhere"})
    assert record_folder(moved) == record_folder(record)


def test_hostile_values_stay_below_the_root(record):
    folder = record_folder(changed(record, name="../..", system_sha256="../../x", spec__data="/etc"))
    assert folder.split("/")[0] == "etc"
    assert folder.count("/") == 1
    assert ".." not in folder
