"""The decoded-image cache: kills, concurrent builders, full disks and bad images."""

import errno
import fcntl
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data import cache as module
from tbpsbench.data.cache import CachedImages, build_cache
from tbpsbench.data.images import load_image
from tbpsbench.errors import DataError, StorageError
from tbpsbench.types import ImageRecord

SIZE, COUNT = (16, 8), 11


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 3)


@pytest.fixture
def annotations(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    records = [ImageRecord(number, f"{number}.png", number, "train", ()) for number in range(COUNT)]
    return read_annotations(write_annotations(tmp_path / "human.jsonl", "Toy", "human", records))


def build(annotations, size=SIZE, *arguments, **options):
    return build_cache(annotations, size, *arguments, workers=1, progress=False, **options)


def assert_whole(images, annotations):
    assert len(images) == COUNT
    for record in annotations.records:
        expected = load_image(annotations.image_root / record.file, images.size)
        assert torch.equal(images[record.image_id], torch.from_numpy(expected))


class Decoding:
    """Counts decoded images and stops at a given one."""

    def __init__(self, monkeypatch, stop_at=None):
        self.files, self.stop_at = [], stop_at
        monkeypatch.setattr(module, "load_image", self)

    def __call__(self, path, size, interpolation):
        if len(self.files) == self.stop_at:
            raise KeyboardInterrupt
        self.files.append(path.name)
        return load_image(path, size, interpolation)


def test_the_cache_holds_every_image_at_its_size(annotations):
    images = build(annotations)
    assert_whole(images, annotations)
    assert images[0].dtype == torch.uint8
    assert images.folder.parent == annotations.path.parent / ".cache"


def test_a_finished_cache_is_opened_not_made_again(annotations, monkeypatch):
    build(annotations)
    decoding = Decoding(monkeypatch)
    assert_whole(build(annotations), annotations)
    assert decoding.files == []


def test_size_interpolation_and_changed_files_are_other_caches(annotations):
    folders = {build(annotations).folder, build(annotations, (8, 8)).folder, build(annotations, SIZE, "bicubic").folder}
    os.utime(annotations.image_root / "4.png", ns=(1, 1))
    folders.add(build(annotations).folder)
    assert len(folders) == 4


def test_the_cache_may_lie_elsewhere(annotations, tmp_path):
    images = build(annotations, cache_dir=tmp_path / "fast disk")
    assert images.folder.parent == tmp_path / "fast disk"
    assert not (tmp_path / ".cache").exists()


def test_an_interrupted_build_goes_on_after_its_last_whole_block(annotations, monkeypatch):
    with monkeypatch.context() as patch:
        Decoding(patch, stop_at=7)
        with pytest.raises(KeyboardInterrupt):
            build(annotations)
    second = Decoding(monkeypatch)
    assert_whole(build(annotations), annotations)
    assert second.files == ["6.png", "7.png", "8.png", "9.png", "10.png"]


def test_a_killed_process_leaves_nothing_that_is_taken_for_done(annotations, tmp_path):
    program = f"""
        import os, signal
        from tbpsbench.data import cache
        from tbpsbench.annotations import read_annotations
        cache.BLOCK, written, plain = 3, [], os.pwrite
        def pwrite(descriptor, data, offset):
            if len(written) == 2:
                plain(descriptor, data[:100], offset)
                os.kill(os.getpid(), signal.SIGKILL)
            written.append(offset)
            return plain(descriptor, data, offset)
        os.pwrite = pwrite
        cache.build_cache(read_annotations({str(annotations.path)!r}), {SIZE}, workers=1, progress=False)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=False)
    assert killed.returncode == -9
    folder = next((tmp_path / ".cache").glob("images-*"))
    assert not (folder / "meta.json").exists()
    assert len((folder / "blocks.txt").read_text().splitlines()) == 2
    assert_whole(build(annotations), annotations)


@pytest.mark.parametrize("damage", ["torn line", "wrong bytes", "nonsense"])
def test_a_damaged_list_of_blocks_is_not_believed(annotations, monkeypatch, damage):
    images = build(annotations)
    (images.folder / "meta.json").unlink()
    blocks, pixels = images.folder / "blocks.txt", images.folder / "pixels.u8"
    if damage == "torn line":
        blocks.write_text(blocks.read_text()[:-1])
    elif damage == "wrong bytes":
        pixels.write_bytes(b"\0" * pixels.stat().st_size)
    else:
        blocks.write_text("999 1\n-1 2\nx y\n0\n")
    decoding = Decoding(monkeypatch)
    assert_whole(build(annotations), annotations)
    assert len(decoding.files) == {"torn line": 2, "wrong bytes": COUNT, "nonsense": COUNT}[damage]


def build_elsewhere(path, results):
    module.BLOCK = 3
    images = build_cache(read_annotations(path), SIZE, workers=1, progress=False)
    results.put([images[number].sum().item() for number in range(COUNT)])


def test_builders_at_the_same_time_end_with_one_whole_cache(annotations, tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    builders = [context.Process(target=build_elsewhere, args=(annotations.path, results)) for _ in range(3)]
    for builder in builders:
        builder.start()
    found = [results.get(timeout=60) for _ in builders]
    for builder in builders:
        builder.join()
    assert found[0] == found[1] == found[2]
    assert_whole(build(annotations), annotations)
    assert len(list((tmp_path / ".cache").glob("images-*"))) == 1


def refuse(code):
    def refused(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    return refused


def test_a_full_disk_shows_before_any_image_is_decoded(annotations, monkeypatch, tmp_path):
    decoding = Decoding(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse(errno.ENOSPC))
        with pytest.raises(StorageError, match=r"(?s)the disk is full.*needs 0.0 GB; data.cache_dir"):
            build(annotations)
    assert decoding.files == []
    assert list((tmp_path / ".cache").glob("images-*")) == []
    assert_whole(build(annotations), annotations)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_reservation_or_locks_will_do(annotations, monkeypatch, code):
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
    monkeypatch.setattr(fcntl, "flock", refuse(code))
    assert_whole(build(annotations), annotations)


def test_a_disk_that_fills_up_keeps_whole_blocks_only(annotations, monkeypatch, tmp_path):
    plain, written = os.pwrite, []

    def pwrite(descriptor, data, offset):
        if len(written) == 2:
            plain(descriptor, data[:50], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(offset)
        return plain(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(StorageError, match="the disk is full"):
            build(annotations)
    folder = next((tmp_path / ".cache").glob("images-*"))
    with pytest.raises(DataError, match="no such file"):
        CachedImages(folder)
    assert_whole(build(annotations), annotations)


def test_an_unwritable_folder_is_a_storage_error(annotations, monkeypatch, tmp_path):
    monkeypatch.setattr(type(tmp_path), "mkdir", refuse(errno.EACCES))
    with pytest.raises(StorageError, match=r"no permission.*data\.cache_dir puts it elsewhere"):
        build(annotations)


def test_short_writes_are_completed(annotations, monkeypatch):
    plain = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: plain(descriptor, data[:77], offset))
    assert_whole(build(annotations), annotations)


def spoil(annotations, kinds):
    for number, kind in kinds.items():
        path = annotations.image_root / f"{number}.png"
        if kind == "missing":
            path.unlink()
        else:
            path.write_bytes({"empty": b"", "text": b"not found", "truncated": path.read_bytes()[:-300]}[kind])


def test_all_bad_images_are_listed_at_once(annotations, tmp_path):
    spoil(annotations, {1: "missing", 4: "empty", 6: "text", 9: "truncated"})
    with pytest.raises(DataError) as caught:
        build(annotations)
    text = str(caught.value)
    assert "4 images cannot be used" in text
    for line in ("1.png: missing", "4.png: empty file", "6.png: not an image", "9.png: damaged or truncated"):
        assert line in text
    assert "prepare_data.py DATASET ROOT --verify" in text
    assert not (tmp_path / ".cache").exists()


def test_damaged_images_leave_no_cache_behind_and_repair_helps(annotations, tmp_path):
    good = (annotations.image_root / "9.png").read_bytes()
    spoil(annotations, {6: "text", 9: "truncated"})
    with pytest.raises(DataError, match=r"2 images cannot be used\n  6.png: not an image\n  9.png: damaged"):
        build(annotations)
    assert list((tmp_path / ".cache").glob("images-*")) == []
    for number in (6, 9):
        (annotations.image_root / f"{number}.png").write_bytes(good)
    assert_whole(build(annotations), annotations)


def test_the_list_of_bad_images_ends_after_twenty(tmp_path):
    records = [ImageRecord(number, f"{number}.png", number, "train", ()) for number in range(30)]
    path = write_annotations(tmp_path / "human.jsonl", "Toy", "human", records)
    with pytest.raises(DataError, match=r"(?s)30 images cannot be used.*and 10 more"):
        build(read_annotations(path))


def test_a_reader_pickles_as_its_path(annotations):
    images = build(annotations)
    images[0]
    packed = pickle.dumps(images)
    assert len(packed) < 1000
    assert torch.equal(pickle.loads(packed)[5], images[5])


def test_what_is_read_may_be_changed(annotations):
    images = build(annotations)
    images[2].zero_()
    assert_whole(images, annotations)


def test_a_cache_of_the_wrong_length_is_refused(annotations):
    images = build(annotations)
    with (images.folder / "pixels.u8").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match="Delete"):
        CachedImages(images.folder)


@pytest.mark.parametrize("meta", [b"", b"{", b"\xff", b"[]", b'{"size": 3, "count": 11}'])
def test_a_cache_whose_description_is_damaged_is_to_be_deleted(annotations, meta):
    images = build(annotations)
    (images.folder / "meta.json").write_bytes(meta)
    with pytest.raises(DataError, match=r"a damaged cache\. Delete the folder; it will be created again"):
        build(annotations)


def test_data_sets_that_share_a_folder_of_caches_share_no_cache(annotations, tmp_path):
    """Pictures of equal names, sizes and times, as archives and uncompressed formats have them."""
    files = sorted((tmp_path / "images").iterdir())
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    for number, path in enumerate(files):
        for source, folder in ((path, tmp_path), (files[number - 1], other)):
            with Image.open(source) as image:
                image.save(folder / "images" / f"{path.stem}.bmp")
            os.utime(folder / "images" / f"{path.stem}.bmp", (10**9, 10**9))
    records = [ImageRecord(number, f"{path.stem}.bmp", number, "train", ()) for number, path in enumerate(files)]
    made = [
        read_annotations(write_annotations(folder / "bmp.jsonl", "Toy", "human", records))
        for folder in (tmp_path, other)
    ]
    caches = [build(one, cache_dir=tmp_path / "caches") for one in made]
    for images, one in zip(caches, made, strict=True):
        assert_whole(images, one)
    assert not torch.equal(caches[0][0], caches[1][0])
