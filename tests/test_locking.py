import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tbpsbench.errors import StorageError
from tbpsbench.locking import Lock, exclusive, is_held

HOLD = """
import sys
from tbpsbench.locking import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
# A parent that is killed while a forked child, like a loader's worker, lives on.
HOLD_AND_FORK = """
import multiprocessing, sys, time
from tbpsbench.locking import Lock
lock = Lock(sys.argv[1])
assert lock.acquire()
def child():
    print("held", flush=True)
    time.sleep(60)
multiprocessing.get_context("fork").Process(target=child).start()
time.sleep(60)
"""
NO_FLOCK = """
import fcntl
def refuse(*_): raise OSError({code}, "no locks here")
fcntl.flock = refuse
"""


def start(code, path):
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def held(process):
    assert process.stdout.readline() == b"held\n", process.communicate()[1].decode()
    return process


@pytest.fixture(params=[None, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=["flock", "37", "38", "95"])
def prefix(request, monkeypatch):
    """Code for another process; it and this one stand on a file system with flock, or on one without."""
    if request.param is None:
        return ""

    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return NO_FLOCK.format(code=request.param)


def test_the_second_waits_until_the_first_has_died(prefix, tmp_path):
    holder, waiter = held(start(prefix + HOLD, tmp_path / "lock")), start(prefix + HOLD, tmp_path / "lock")
    assert b"waiting for another process" in waiter.stderr.readline()
    assert is_held(tmp_path / "lock")
    holder.kill()
    holder.communicate()
    held(waiter)
    waiter.communicate(b"")
    assert not is_held(tmp_path / "lock")


def test_a_child_that_outlives_its_killed_parent_does_not_keep_the_lock(prefix, tmp_path):
    parent = held(start(prefix + HOLD_AND_FORK, tmp_path / "lock"))
    try:
        assert not Lock(tmp_path / "lock").acquire(patience=0.0)
        parent.kill()
        parent.wait()
        assert Lock(tmp_path / "lock").acquire(patience=0.0)
    finally:
        os.killpg(parent.pid, 9)
        parent.communicate()


def test_a_child_that_ends_leaves_its_parent_the_lock(prefix, tmp_path):
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    if (child := os.fork()) == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert is_held(tmp_path / "lock")
    lock.release()
    assert not is_held(tmp_path / "lock")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_lock_whose_file_was_removed_is_not_counted(prefix, tmp_path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire()
    (tmp_path / "lock").unlink()
    first.release()
    assert second.acquire(patience=0.0)
    assert not Lock(tmp_path / "lock").acquire(patience=0.0)
    second.release()


@pytest.fixture
def without_flock(monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "no locks")))


def change_note(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_without_flock_another_machine_is_believed_and_a_dead_process_of_this_one_not(without_flock, tmp_path):
    lock, note = Lock(tmp_path / "lock"), tmp_path / "lock.holder"
    for values, free in (
        ({"host": "elsewhere"}, False),
        ({"namespace": 1}, False),
        ({"boot": "before", "pid": 1}, True),
        ({"started": "1"}, True),
        ({"pid": 2**22 + 1}, True),
    ):
        assert lock.acquire(patience=0.0)
        change_note(note, **values)
        other = Lock(tmp_path / "lock")
        assert other.acquire(patience=0.0) is free, values
        if not free:
            assert str(note) in other.holder()
            assert "delete that file" in other.holder()
        other.release()
        lock.release()  # no longer ours: must not remove what another holds
        assert note.exists() is not free
        note.unlink(missing_ok=True)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_without_flock_an_unreadable_note_is_left_alone(without_flock, tmp_path):
    (tmp_path / "lock.holder").write_bytes(b"\xff{")
    assert not Lock(tmp_path / "lock").acquire(patience=0.0)


def test_a_file_system_that_cannot_lock_at_all_is_said(without_flock, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="choose a folder on another one"):
        Lock(tmp_path / "lock").acquire()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_lock_that_cannot_be_made_is_a_storage_error(tmp_path, monkeypatch):
    def refused(*_arguments, **_options):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(StorageError, match="read-only"), exclusive(tmp_path / "a" / "lock"):
        pass
