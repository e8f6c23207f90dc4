"""Readers of the official releases, on small releases in the official schemas."""

import json
from types import MappingProxyType

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.data.cuhk_pedes import CUHKPEDES
from tbpsbench.data.icfg_pedes import ICFGPEDES
from tbpsbench.data.rstp_reid import RSTPReid
from tbpsbench.data.ufine6926 import UFine6926
from tbpsbench.errors import DataError

OFFICIAL = MappingProxyType(
    {
        CUHKPEDES: ("reid_raw.json", "file_path", ("train", "val", "test")),
        ICFGPEDES: ("ICFG-PEDES.json", "file_path", ("train", "test")),
        RSTPReid: ("data_captions.json", "img_path", ("train", "val", "test")),
        UFine6926: ("UFine6926_Annotations_1024.json", "file_path", ("train", "test")),
    }
)


def items(path_key="file_path", splits=("train", "val", "test"), ids=2, captions=2, first=1):
    """`ids` identities per split with two images each."""
    made = []
    for number in range(ids * len(splits)):
        split = splits[number // ids]
        for image in range(2):
            texts = [f"caption {text} of image {image} of person {number}" for text in range(captions)]
            made.append(
                {
                    "id": number + first,
                    path_key: f"{split}/{number}_{image}.jpg",
                    "captions": texts,
                    "split": split,
                    "processed_tokens": [text.split() for text in texts],
                }
            )
    return made


def release(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def prepared(cls, root, **options):
    return read_annotations(cls(root=str(root)).prepare(allow_partial=True, **options))


@pytest.mark.parametrize("cls", OFFICIAL)
def test_every_record_becomes_an_image_with_all_its_captions(cls, tmp_path):
    name, key, splits = OFFICIAL[cls]
    source = items(key, splits)
    found = prepared(cls, release(tmp_path, name, source))
    assert [record.file for record in found.records] == [item[key] for item in source]
    assert [record.pid for record in found.records] == [item["id"] for item in source]
    assert [record.split for record in found.records] == [item["split"] for item in source]
    assert [[c.text for c in record.captions] for record in found.records] == [item["captions"] for item in source]
    assert found.dataset == cls.name
    assert found.header["made_from"]["file"] == name
    assert len(found.header["made_from"]["sha256"]) == 64


@pytest.mark.parametrize("cls", OFFICIAL)
def test_image_folder_is_where_the_release_has_it(cls, tmp_path):
    name, key, splits = OFFICIAL[cls]
    found = prepared(cls, release(tmp_path, name, items(key, splits)))
    assert found.image_root == tmp_path / ("." if cls is UFine6926 else "imgs")


@pytest.mark.parametrize("name", ["reid_raw.json", "caption_all.json", "captions.json"])
def test_all_names_of_the_cuhk_file_are_accepted(name, tmp_path):
    assert len(prepared(CUHKPEDES, release(tmp_path, name, items())).records) == 12


@pytest.mark.parametrize("name", ["ICFG-PEDES.json", "ICFG_PEDES.json"])
def test_both_names_of_the_icfg_file_are_accepted(name, tmp_path):
    assert prepared(ICFGPEDES, release(tmp_path, name, items(splits=("train", "test")))).splits() == ["train", "test"]


def test_an_image_may_have_more_than_two_captions(tmp_path):
    source = items()
    source[3]["captions"].append("a third one")
    found = prepared(CUHKPEDES, release(tmp_path, "reid_raw.json", source))
    assert [c.caption_id for c in found.records[3].captions] == [6, 7, 8]
    assert found.header["counts"]["train"]["captions"] == 9


def test_a_file_that_two_records_name_stays_two_records(tmp_path):
    source = items(splits=("train", "test"), captions=1)
    source[1]["file_path"] = source[0]["file_path"]
    found = prepared(ICFGPEDES, release(tmp_path, "ICFG-PEDES.json", source))
    assert found.header["counts"]["train"] == {"ids": 2, "images": 4, "captions": 4}


def test_official_counts_pass_without_notes(tmp_path, monkeypatch):
    counts = {"ids": 2, "images": 4, "captions": 8}
    monkeypatch.setattr(CUHKPEDES, "expected", dict.fromkeys(("train", "val", "test"), counts))
    path = CUHKPEDES(root=str(release(tmp_path, "reid_raw.json", items()))).prepare()
    assert read_annotations(path).header["notes"] == {}


def test_other_counts_are_an_error_that_shows_both(tmp_path):
    with pytest.raises(DataError, match=r"(?s)train: expected 11003 ids.*found 2 ids.*--allow-partial"):
        CUHKPEDES(root=str(release(tmp_path, "reid_raw.json", items()))).prepare()
    assert not (tmp_path / "human.jsonl").exists()


def test_allowed_partial_data_says_so_in_its_header(tmp_path):
    found = prepared(CUHKPEDES, release(tmp_path, "reid_raw.json", items()))
    assert found.header["notes"]["partial"] is True
    assert found.header["notes"]["expected"]["train"]["ids"] == 11003


def test_preparing_twice_gives_the_same_bytes(tmp_path):
    release(tmp_path, "reid_raw.json", items())
    assert prepared(CUHKPEDES, tmp_path).sha256 == prepared(CUHKPEDES, tmp_path).sha256


def without_splits():
    return [{key: value for key, value in item.items() if key != "split"} for item in items()]


def test_a_file_without_splits_is_refused_with_the_reason(tmp_path):
    release(tmp_path, "caption_all.json", without_splits())
    with pytest.raises(DataError, match=r"(?s)as first released.*reid_raw.json.*--splits"):
        CUHKPEDES(root=str(tmp_path)).prepare(allow_partial=True)


@pytest.mark.parametrize("key", ["file_path", "id"])
def test_splits_come_from_a_file_by_path_or_id(key, tmp_path):
    (tmp_path / "splits.json").write_text(json.dumps({str(item[key]): item["split"] for item in items()}))
    release(tmp_path, "caption_all.json", without_splits())
    found = prepared(CUHKPEDES, tmp_path, splits_file=tmp_path / "splits.json")
    assert [record.split for record in found.records] == [item["split"] for item in items()]
    assert found.header["made_from"]["splits_file"] == "splits.json"


def test_a_splits_file_that_leaves_records_out_lists_them(tmp_path):
    (tmp_path / "splits.json").write_text(json.dumps({"1": "train"}))
    release(tmp_path, "caption_all.json", without_splits())
    with pytest.raises(DataError, match=r"(?s)10 problems.*no split for record 2: neither 'train/1_0.jpg' nor id 2"):
        CUHKPEDES(root=str(tmp_path)).prepare(splits_file=tmp_path / "splits.json")


def test_a_splits_file_must_not_overrule_official_splits(tmp_path):
    (tmp_path / "splits.json").write_text(json.dumps({str(item["id"]): "train" for item in items()}))
    release(tmp_path, "reid_raw.json", items())
    with pytest.raises(DataError, match="a split of its own"):
        CUHKPEDES(root=str(tmp_path)).prepare(splits_file=tmp_path / "splits.json", allow_partial=True)


def change(number, **values):
    source = items()
    source[number] |= values
    return source


def drop(*keys):
    return [{key: value for key, value in item.items() if key not in keys} for item in items(ids=5)]


def two_splits():
    source = items()
    source[-1]["id"] = 1
    return source


BAD = {
    "truncated": (json.dumps(items())[:-20], r"not valid JSON.*complete"),
    "not a list": ({"images": []}, "expected a list of records, found dict"),
    "empty list": ([], "list of records is empty"),
    "list of numbers": ([1, 2], r"record 0: expected an object, found 1"),
    "keys missing": (
        drop("captions", "id"),
        r"(?s)30 problems.*record 0 .*no 'id', 'captions'.*record 19 .*and 10 more",
    ),
    "one split missing": (
        [{k: v for k, v in item.items() if k != "split" or item["id"] != 2} for item in items()],
        r"record 2 .*no 'split'",
    ),
    "id is text": (change(1, id="7"), r"record 1 .*'id' is '7', expected a whole number"),
    "id is true": (change(1, id=True), r"'id' is True"),
    "path is a number": (change(1, file_path=3), r"'file_path' is 3, expected a path"),
    "captions is text": (change(1, captions="a man"), r"'captions' is 'a man', expected a list"),
    "no captions": (change(1, captions=[]), r"'captions' is \[\], expected a list of at least one"),
    "captions of numbers": (change(1, captions=[1, 2]), r"'captions' is \[1, 2\]"),
    "unknown split": (change(1, split="dev"), r"'split' is 'dev', expected train, val or test"),
    "empty caption": (change(1, captions=["a man", "  "]), "caption 3 is empty"),
    "endless caption": (change(1, captions=["word " * 10_000]), "10000 words, more than 1000"),
    "id in two splits": (two_splits(), r"identity 1 is in several splits: train .*test"),
    "path leaves the folder": (change(1, file_path="../secret.jpg"), "must lie below the image folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_what_is_wrong(case, tmp_path):
    content, message = BAD[case]
    release(tmp_path, "reid_raw.json", content)
    with pytest.raises(DataError, match=message):
        CUHKPEDES(root=str(tmp_path)).prepare(allow_partial=True)
    assert not (tmp_path / "human.jsonl").exists()


def test_a_missing_release_names_what_is_expected_and_what_is_there(tmp_path):
    (tmp_path / "imgs").mkdir()
    with pytest.raises(DataError, match=r"no reid_raw.json or caption_all.json .*In the folder: imgs/"):
        CUHKPEDES(root=str(tmp_path)).prepare()
    with pytest.raises(DataError, match="no such folder"):
        CUHKPEDES(root=str(tmp_path / "nowhere")).prepare()


def test_loading_what_was_not_prepared_tells_the_command(tmp_path):
    root = tmp_path / "CUHK-PEDES"
    with pytest.raises(DataError, match=f"python tools/prepare_data.py CUHKPEDES {root}"):
        CUHKPEDES(root=str(root)).load()


def test_loading_an_unknown_caption_source_lists_the_known_ones(tmp_path):
    prepared(CUHKPEDES, release(tmp_path, "reid_raw.json", items()))
    with pytest.raises(DataError, match=r"mtg.jsonl: no such file.*Caption sources in .*: human"):
        CUHKPEDES(root=str(tmp_path)).load("mtg")


def one_per_caption(source):
    return [{**item, "captions": [text]} for item in source for text in item["captions"]]


@pytest.mark.parametrize("cls", [CUHKPEDES, RSTPReid, UFine6926])
def test_a_release_with_one_record_per_caption_gives_the_same_annotations(cls, tmp_path):
    name, key, splits = OFFICIAL[cls]
    whole = prepared(cls, release(tmp_path / "a", name, items(key, splits)))
    single = prepared(cls, release(tmp_path / "b", name, one_per_caption(items(key, splits))))
    assert single.records == whole.records
    assert single.header["counts"] == whole.header["counts"]


def test_captions_of_one_image_need_not_stand_together(tmp_path):
    shuffled = one_per_caption(items())[::-1]
    found = prepared(CUHKPEDES, release(tmp_path, "reid_raw.json", shuffled))
    assert len(found.records) == len({record.file for record in found.records}) == 12
    assert [len(record.captions) for record in found.records] == [2] * 12


@pytest.mark.parametrize("change", [{"id": 99}, {"split": "test"}])
def test_records_of_one_image_that_contradict_each_other_are_listed(change, tmp_path):
    source = one_per_caption(items())
    source[1] |= change
    with pytest.raises(DataError, match=r"record 1 \(file_path 'train/0_0.jpg'\).*an earlier record of this image"):
        prepared(CUHKPEDES, release(tmp_path, "reid_raw.json", source))


def test_no_image_at_all_is_an_error_even_where_some_may_be_missing(tmp_path):
    with pytest.raises(DataError, match="none of the 12 images of the release is there"):
        prepared(CUHKPEDES, release(tmp_path, "reid_raw.json", items()), allow_missing=True)
    assert not (tmp_path / "human.jsonl").exists()


def test_nothing_is_partial_where_every_image_is_there(tmp_path, monkeypatch):
    counts = {"ids": 2, "images": 4, "captions": 8}
    monkeypatch.setattr(CUHKPEDES, "expected", dict.fromkeys(("train", "val", "test"), counts))
    release(tmp_path, "reid_raw.json", items())
    for item in items():
        (tmp_path / "imgs" / item["file_path"]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "imgs" / item["file_path"]).touch()
    path = CUHKPEDES(root=str(tmp_path)).prepare(allow_missing=True)
    assert read_annotations(path).header["notes"] == {}
    (tmp_path / "imgs" / "train" / "0_0.jpg").unlink()
    notes = read_annotations(CUHKPEDES(root=str(tmp_path)).prepare(allow_missing=True)).header["notes"]
    assert notes == {"partial": True, "missing_images": 1}
