"""Records whose counts cannot be those of the data set that they name, and honest ones with a carved validation."""

import shutil
from dataclasses import replace
from itertools import count

import pytest

from tbpsbench.annotations import counts, read_annotations, write_annotations
from tbpsbench.data.carving import carve, is_carved
from tbpsbench.data.sources import source_of
from tbpsbench.leaderboard.verify.record import verify

from ..factory import VAL, edit, imagine, make, places, read


@pytest.fixture(scope="module")
def imagined(tmp_path_factory):
    return imagine(tmp_path_factory.mktemp("release") / "data")


@pytest.fixture(scope="module")
def made(imagined, tmp_path_factory):
    return make(tmp_path_factory.mktemp("made") / "run", imagined)


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "alone")


def as_release(record, kind, name, **arguments):
    """The same numbers under the name of a release."""
    for component in (record["config"]["data"]["dataset"], record["data"]["component"]):
        component.clear()
        component.update(type=kind, **arguments)
    record["data"]["dataset"] = record["spec"]["data"] = record["spec"]["trained_on"] = name
    record["data"]["sources"][0]["made_from"] = {"file": "release.json"}


@pytest.mark.parametrize(
    ("kind", "name"), [("CUHKPEDES", "CUHK-PEDES"), ("ICFGPEDES", "ICFG-PEDES"), ("RSTPReid", "RSTPReid")]
)
def test_a_few_images_are_not_a_release_unless_the_record_says_so(run, kind, name):
    edit(run, lambda r: as_release(r, kind, name), hashes=True)
    assert places(verify(run, data=None)) == "data.counts"
    edit(run, lambda r: r["data"].update(partial=True))
    assert verify(run, data=None).ok


def test_name_of_a_release_on_other_data_is_found(run):
    edit(run, lambda r: r["data"].update(dataset="CUHK-PEDES"))
    assert "data.dataset" in places(verify(run, data=None))
    edit(run, lambda r: r["data"].update(dataset="Own"))
    assert "data.dataset" in places(verify(run, data=None))
    edit(run, lambda r: r["data"]["component"].update(type="Own"))
    assert "data.dataset" not in places(verify(run, data=None))


def test_own_pictures_are_called_by_their_file(run):
    own = {"root": "anywhere", "file": "photos.csv"}
    edit(run, lambda r: as_release(r, "CSVDataset", "photos (CSV)", **own), hashes=True)
    assert verify(run, data=None).ok
    edit(run, lambda r: as_release(r, "CSVDataset", "RSTPReid", **own), hashes=True)
    assert "data.dataset" in places(verify(run, data=None))
    edit(run, lambda r: as_release(r, "CSVDataset", "photos (CSV)", file="a/b.csv"), hashes=True)
    assert "data.component" in places(verify(run, data=None))


def test_a_few_people_are_not_all_of_minipedes(run):
    def claim(people):
        return lambda r: r["data"]["sources"][0]["made_from"].update(identities=people)

    edit(run, claim(300))
    assert "the record says 26, data.sources (identities) says 300" in verify(run, data=None).report()
    edit(run, claim(26))
    assert "MiniPEDES says" in verify(run, data=None).report()


def test_training_data_are_those_of_the_config(run):
    edit(run, lambda r: r["spec"].update(trained_on="everything"))
    assert "spec.trained_on" in places(verify(run, data=None))


def test_honest_record_with_carved_validation_has_no_problem(run, imagined, tmp_path):
    """The file on disk has no split val-carved: loading with val_carve makes it."""
    root = tmp_path / "icfg"
    numbers = iter([pid for pid in range(100, 1000) if is_carved(pid)][:VAL])
    others = (pid for pid in count(1000) if not is_carved(pid))
    told, records = {}, []
    for record in read_annotations(imagined.human).records:
        if record.pid not in told:
            told[record.pid] = (
                next(numbers) if record.split == "val" else record.pid if record.split == "test" else next(others)
            )
        split = "train" if record.split == "val" else record.split
        captions = tuple(replace(caption, split=split) for caption in record.captions)
        records.append(replace(record, pid=told[record.pid], split=split, captions=captions))
    path = write_annotations(
        root / "human.jsonl", "ICFG-PEDES", "human", records, made_from={"file": "x"}, notes={"partial": {"left": 1}}
    )
    carved = carve(read_annotations(path))
    assert counts(carved.records)["val-carved"]["ids"] == VAL

    def honest(record):
        as_release(record, "ICFGPEDES", "ICFG-PEDES", val_carve=True)
        record["data"] |= {"counts": counts(carved.records), "partial": True}
        record["data"]["sources"] = [source_of("captions", carved)]
        record["selection"]["split"] = "val-carved"

    edit(run, honest, hashes=True)
    found = verify(run, data=root)
    assert found.ok, found.report()
    assert any("leak guard" in what for what in found.checked)
    edit(run, lambda r: r["data"]["component"].pop("val_carve"))
    assert "data.counts" in places(verify(run, data=root))
    assert read(run)["selection"]["split"] == "val-carved"
