import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tbpsbench.data.locking import exclusive
from tbpsbench.errors import StorageError

HOLD = """
import sys
from tbpsbench.data.locking import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_waits_until_the_first_has_died(tmp_path, capsys):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert b"waiting for another process" in waiter.stderr.readline()
    holder.kill()
    assert waiter.communicate(timeout=60)[0] == b"held\n"
    holder.communicate()


def test_a_lock_that_cannot_be_made_is_a_storage_error(tmp_path, monkeypatch):
    def refused(*_arguments, **_options):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(StorageError, match="read-only"), exclusive(tmp_path / "a" / "lock"):
        pass
