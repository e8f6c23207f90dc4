"""The hash of a cache tells pictures apart by what they look like, not by where and when they were written."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data import cache as module
from tbpsbench.data.cache import CachedImages, build_cache
from tbpsbench.types import ImageRecord

COUNT = 7


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 3)


@pytest.fixture
def folder(tmp_path):
    """A data set of seven small pictures."""
    (tmp_path / "set" / "images").mkdir(parents=True)
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "set" / "images" / f"{number}.png")
    records = [ImageRecord(number, f"{number}.png", number, "train", ()) for number in range(COUNT)]
    write_annotations(tmp_path / "set" / "human.jsonl", "Toy", "human", records)
    return tmp_path / "set"


def build(folder, size=(16, 8), workers=1):
    return build_cache(read_annotations(folder / "human.jsonl"), size, workers=workers, progress=False)


def test_a_copy_of_the_data_has_the_same_hash_whoever_decodes_first(folder, tmp_path):
    first = build(folder).sha256
    assert len(first) == 64
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".cache"))
    for path in (tmp_path / "copy" / "images").iterdir():
        os.utime(path, (10**9, 10**9))
    assert build(tmp_path / "copy", workers=4).sha256 == first
    assert build(folder).sha256 == first, "opened, not made again"


def test_exchanged_pictures_and_other_sizes_have_other_hashes(folder):
    found = {build(folder).sha256, build(folder, (8, 8)).sha256}
    one, other = folder / "images" / "1.png", folder / "images" / "5.png"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    found.add(build(folder).sha256)
    assert len(found) == 3


@pytest.mark.parametrize("damage", ["", "0 12\n", "0 12\n1 12\n3 12\n", "0 12\nx y\n2 12\n"])
def test_a_list_that_is_not_whole_gives_no_hash(folder, damage):
    images = build(folder)
    (images.folder / "blocks.txt").write_text(damage)
    assert CachedImages(images.folder).sha256 is None
    (images.folder / "blocks.txt").unlink()
    assert CachedImages(images.folder).sha256 is None
