import errno
import os

import pytest

from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import atomic_write, sha256_bytes, sha256_file, write_json
from tbpsbench.reading import read_json


def test_failed_write_leaves_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})

    def fail_half_way():
        with atomic_write(tmp_path / "a.json", "w") as stream:
            stream.write("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_storage_errors_say_what_to_do(tmp_path, monkeypatch, number, hint):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=hint):
        write_json(tmp_path / "a.json", {})
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_way_is_said(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        write_json(tmp_path / "a" / "b.json", {})


def test_new_files_have_ordinary_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(mask)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        sha256_file(tmp_path / "gone")


def test_hash_of_a_file_is_the_hash_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert sha256_file(tmp_path / "a") == sha256_bytes(b"x" * 100_000)
