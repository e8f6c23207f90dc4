import errno
import os

import pytest

from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import atomic_write, read_json, read_jsonl, sha256_bytes, sha256_file, write_json


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


@pytest.mark.parametrize(("content", "message"), [(b'{"a": 1', "a.json:1: not valid JSON"), (b"\xff\xfe\x00", "UTF-8")])
def test_damaged_json_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "a.json")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.json: no such file"):
        read_json(tmp_path / "gone.json")
    with pytest.raises(DataError, match="no such file"):
        sha256_file(tmp_path / "gone")
    with pytest.raises(DataError, match="no such file"):
        list(read_jsonl(tmp_path / "gone.jsonl"))


def test_hash_of_a_file_is_the_hash_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert sha256_file(tmp_path / "a") == sha256_bytes(b"x" * 100_000)


def test_empty_lines_are_skipped_and_numbers_kept(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (3, {"a": 2})]
