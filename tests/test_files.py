import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tbpsbench import files
from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import atomic_folder, atomic_write, sha256_bytes, sha256_file, write_json
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


KILLED = """
import os, signal, sys
from pathlib import Path
from tbpsbench.files import atomic_folder, atomic_write
with atomic_write(sys.argv[1] + "/a") as stream:
    stream.write(b"half")
    stream.flush()
    with atomic_folder(sys.argv[1] + "/b") as folder:
        (folder / "half").mkdir()
        (folder / "half" / "c").touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_a_killed_process_left_is_used_up_by_the_next_one(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
        assert names(tmp_path) == [".a.tmp", ".b.tmp", ".b.tmp/half", ".b.tmp/half/c"]
    with atomic_write(tmp_path / "a") as stream:
        stream.write(b"new")
    with atomic_folder(tmp_path / "b") as folder:
        (folder / "d").touch()
    assert names(tmp_path) == ["a", "b", "b/d"]
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("flock", [True, False])
def test_two_that_write_the_same_at_once_do_not_mix(tmp_path, monkeypatch, flock):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    if not flock:
        monkeypatch.setattr(fcntl, "flock", refuse)
    with atomic_write(tmp_path / "a", "w") as first, atomic_write(tmp_path / "a", "w") as second:
        second.write("second")
        first.write("first")
    assert (tmp_path / "a").read_text() == "first"  # the last to be finished
    with atomic_folder(tmp_path / "b", replace=True) as one, atomic_folder(tmp_path / "b", replace=True) as two:
        (two / "two").touch()
        (one / "one").touch()
    assert names(tmp_path) == ["a", "b", "b/one"]


def test_who_begins_as_another_ends_keeps_what_is_being_written(tmp_path, monkeypatch):
    def meet(name, begin):
        """Let somebody begin to write the same the moment that it took its place: (who began, what they write into)."""
        began, ends = [], getattr(files, name)

        def end_and_begin(temporary, path):
            ends(temporary, path)
            if not began:
                began.append(None)
                began[0] = others.enter_context(begin())

        monkeypatch.setattr(files, name, end_and_begin)
        return began

    path, folder = tmp_path / "file", tmp_path / "folder"
    with ExitStack() as others:
        began = meet("publish", lambda: atomic_write(path, "w"))
        write_json(path, 1)
        began[0].write("2")
        began = meet("publish_folder", lambda: atomic_folder(folder, replace=True))
        with atomic_folder(folder, replace=True) as first:
            (first / "1").touch()
        (began[0] / "2").touch()
    assert path.read_text() == "2"
    assert [found.name for found in folder.iterdir()] == ["2"]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_is_there_gives_way_only_if_told_to(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").touch()

    def fill(replace):
        with atomic_folder(tmp_path / "b", replace=replace) as folder:
            (folder / "new").touch()

    with pytest.raises(StorageError, match="cannot write"):
        fill(False)
    assert names(tmp_path) == ["b", "b/old"]
    fill(True)
    assert names(tmp_path) == ["b", "b/new"]


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "precious")
    write_json(tmp_path / "a", 1)
    assert (tmp_path / "precious").read_text() == "mine"
    assert read_json(tmp_path / "a") == 1
