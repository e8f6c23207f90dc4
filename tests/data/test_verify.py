import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data.verify import check_images, verify
from tbpsbench.types import Caption, ImageRecord

FILES = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
SPLITS = ["train", "train", "train", "test", "test", "train"]


@pytest.fixture
def annotations(tmp_path):
    (tmp_path / "images").mkdir()
    for number, file in enumerate(FILES):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / file)
    records = [
        ImageRecord(n, file, n % 3 + 10 * (split == "test"), split, (Caption("a man", "query", n, "human", split, n),))
        for n, (file, split) in enumerate(zip(FILES, SPLITS, strict=True))
    ]
    return read_annotations(write_annotations(tmp_path / "human.jsonl", "Toy", "human", records))


def look(annotations, **options):
    return verify(annotations, progress=False, **options)


def test_a_sound_data_set_is_ok(annotations):
    found = look(annotations)
    assert found.ok
    assert (found.missing, found.unreadable, found.duplicates_across_splits) == ([], [], [])
    assert found.counts["train"] == {"ids": 3, "images": 4, "captions": 4}
    assert found.annotations_sha256 == annotations.sha256


def test_every_missing_and_damaged_file_is_listed_with_the_reason(annotations):
    images = annotations.image_root
    (images / "a.png").unlink()
    (images / "b.png").write_bytes(b"")
    (images / "c.png").write_bytes((images / "c.png").read_bytes()[:-200])
    (images / "d.png").write_text("nothing")
    found = look(annotations)
    assert not found.ok
    assert found.missing == ["a.png"]
    reasons = {entry["file"]: entry["reason"] for entry in found.unreadable}
    assert sorted(reasons) == ["b.png", "c.png", "d.png"]
    assert reasons["b.png"].startswith("empty")
    assert reasons["c.png"].startswith("damaged")
    assert reasons["d.png"] == "not an image"
    assert [file for file, _ in check_images(images, FILES, progress=False)] == ["a.png", "b.png", "c.png", "d.png"]


def test_the_same_bytes_in_two_splits_are_found_and_within_one_are_not(annotations):
    images = annotations.image_root
    shutil.copy(images / "a.png", images / "b.png")
    assert look(annotations).duplicates_across_splits == []
    shutil.copy(images / "a.png", images / "e.png")
    found = look(annotations)
    assert found.duplicates_across_splits == [["a.png", "b.png", "e.png"]]
    assert found.wrong == ["duplicates_across_splits"]
    assert not found.ok


def with_a_file_listed_twice(annotations):
    records = [
        replace(record, file="a.png" if record.file == "f.png" else record.file) for record in annotations.records
    ]
    return replace(annotations, records=tuple(records))


def test_a_file_that_two_records_name_is_wrong_unless_the_release_is_the_official_one(annotations):
    twice = with_a_file_listed_twice(annotations)
    assert look(twice).listed_twice == ["a.png"]
    assert look(twice).wrong == ["listed_twice"]
    official = look(twice, expected=annotations.header["counts"])
    assert official.listed_twice == ["a.png"]
    assert official.ok


def test_counts_that_are_not_official_are_wrong_unless_they_were_accepted(annotations):
    other = {"train": {"ids": 9, "images": 9, "captions": 9}}
    assert look(annotations, expected=other).wrong == ["counts"]
    partial = replace(annotations, header={**annotations.header, "notes": {"partial": True}})
    assert look(partial, expected=other).ok
    assert "wrong: counts" in look(annotations, expected=other).summary()


def test_the_summary_compares_with_the_official_counts(annotations):
    official = {"train": {"ids": 3, "images": 4, "captions": 4}, "test": {"ids": 9, "images": 9, "captions": 9}}
    summary = look(annotations, expected=official).summary()
    assert "train: 3 ids, 4 images, 4 captions = official" in summary
    assert "test: 2 ids, 2 images, 2 captions (not official)" in summary


def test_a_list_without_images_is_wrong(annotations):
    found = look(read_annotations(write_annotations(annotations.path, "Toy", "human", [])))
    assert found.wrong == ["no images"]


def test_pixels_are_compared_with_those_that_the_annotations_tell(annotations):
    pixels = [np.asarray(Image.open(annotations.image_root / record.file)) for record in annotations.records]
    told = hashlib.sha256(b"".join(array.tobytes() for array in pixels)).hexdigest()
    noted = replace(annotations, header={**annotations.header, "notes": {"pixels_sha256": told}})
    assert look(noted).ok
    assert look(annotations).pixels_sha256 is None
    images = annotations.image_root
    a, b = (images / "a.png").read_bytes(), (images / "b.png").read_bytes()
    (images / "a.png").write_bytes(b)
    (images / "b.png").write_bytes(a)
    swapped = look(noted)
    assert swapped.wrong == ["pixels"]
    assert "are not those that the annotations were made for" in swapped.summary()
    assert swapped.to_json()["pixels_sha256"] != swapped.to_json()["expected_pixels_sha256"] == told
    assert look(annotations).ok  # of pictures of which nothing is told
    (images / "c.png").unlink()
    assert look(noted).wrong == ["missing"]
