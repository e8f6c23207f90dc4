"""The store keeps whole lines only, whatever kills the process, fills the disk, or writes beside it."""

import json
import os
import resource
import signal

import pytest

from tbpsbench.captions.store import Appended, Store, read_lines
from tbpsbench.errors import DataError, StorageError


def line(number):
    return {"image_id": f"{number:05d}.png", "texts": ["x" * (number % 300)]}


def test_records_and_failures_are_read_back(tmp_path):
    with Store(tmp_path) as store:
        store.add(line(1))
        store.fail({**line(2), "reason": "short"})
        assert (store.done, set(store.failed)) == ({"00001.png"}, {"00002.png"})
    with Store(tmp_path) as store:
        assert store.repaired == 0
        assert (store.done, set(store.failed)) == ({"00001.png"}, {"00002.png"})
        store.add(line(2))
        assert not store.failed
        with pytest.raises(ValueError, match="has a record already"):
            store.add(line(2))


def test_a_failure_that_was_mended_is_none_any_more(tmp_path):
    with Store(tmp_path) as store:
        store.fail({**line(2), "reason": "short"})
        store.add(line(2))
    with Store(tmp_path) as store:
        assert not store.failed
        assert len(list(store.failures())) == 1  # the file only grows


@pytest.mark.parametrize("left", [b"{", b'{"image_id": "00002.png", "schema": 1}', b"\x00" * 5000, b"{" * 200_000])
def test_what_has_no_line_end_is_cut_off(tmp_path, left):
    with Store(tmp_path) as store:
        store.add(line(1))
    whole = (tmp_path / "records-0of1.jsonl").read_bytes()
    with (tmp_path / "records-0of1.jsonl").open("ab") as stream:
        stream.write(left)
    assert [record["image_id"] for record in read_lines(tmp_path, "records")] == ["00001.png"]
    with Store(tmp_path) as store:
        assert store.repaired == len(left)
        assert store.done == {"00001.png"}
    assert (tmp_path / "records-0of1.jsonl").read_bytes() == whole


def test_a_file_that_is_one_torn_line_is_empty(tmp_path):
    (tmp_path / "records-0of1.jsonl").write_bytes(b'{"image_id"')
    with Store(tmp_path) as store:
        assert store.done == set()


@pytest.mark.parametrize("whole", [b"hello\n", b"[1]\n", b'{"image_id": 7, "schema": 1}\n', b'{"image_id": "a"}\n'])
def test_a_whole_line_that_is_no_record_is_damage(tmp_path, whole):
    (tmp_path / "records-0of1.jsonl").write_bytes(whole)
    with pytest.raises(DataError, match=r"records-0of1\.jsonl:1"):
        Store(tmp_path)
    (tmp_path / "records-0of1.jsonl").unlink()
    Store(tmp_path).close()  # the lock was given up


def test_two_records_of_one_image_are_damage(tmp_path):
    for shard in ((0, 2), (1, 2)):
        with Store(tmp_path / "other", shard) as store:
            store.done.clear()
            store._records.append({"schema": 1, **line(1)})
            if shard[0]:
                with pytest.raises(DataError, match=r"a second record of '00001\.png'"):
                    list(store.records())


def test_one_writer_for_each_shard(tmp_path):
    with Store(tmp_path, (0, 2)), Store(tmp_path, (1, 2)), pytest.raises(StorageError, match="another process writes"):
        Store(tmp_path, (0, 2))
    Store(tmp_path, (0, 2)).close()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Store(tmp_path / "taken")


def in_child(action):
    """Run in a child process, which may end as it likes; returns the wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def test_a_full_disk_leaves_whole_lines(tmp_path):
    def fill():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        with Store(tmp_path) as store:
            for number in range(1000):
                try:
                    store.add(line(number))
                except StorageError as error:
                    assert number not in store.done
                    (tmp_path / "said").write_text(f"{number} {error}")
                    os._exit(0)

    assert in_child(fill) == 0
    number, said = (tmp_path / "said").read_text().split(" ", 1)
    assert "cannot write" in said
    raw = (tmp_path / "records-0of1.jsonl").read_bytes()
    assert raw.endswith(b"\n")
    assert len(raw) <= 5000
    with Store(tmp_path) as store:  # with room again, it goes on
        assert store.done == {f"{n:05d}.png" for n in range(int(number))}
        store.add(line(int(number)))


def test_killed_while_it_writes(tmp_path):
    """Children append as fast as they can and are killed; what they have told of is there, once."""
    told = tmp_path / "told"
    for start in (0, 100_000, 200_000):

        def write(start=start):
            with Store(tmp_path / "run") as store, told.open("ab", buffering=0) as stream:
                for number in range(start, start + 100_000):
                    store.add(line(number))
                    stream.write(f"{number:05d}.png\n".encode())

        pid = os.fork()
        if pid == 0:
            write()
            os._exit(1)
        while not told.exists() or told.read_bytes().count(b"\n") < start // 100_000 * 20 + 20:
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    said = {name.decode() for name in told.read_bytes().split(b"\n")[:-1]}
    with Store(tmp_path / "run") as store:
        assert said <= store.done
        assert len(store.done - said) <= 3  # written, and killed before it could be told
        assert len(list(store.records())) == len(store.done)


def test_a_line_that_cannot_be_written_leaves_nothing(tmp_path):
    file = Appended(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        file.append({"x": float("nan")})
    file.append({"x": 1})
    file.close()
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"x": 1}


def test_shards_that_begin_at_once_do_not_take_a_test_for_a_holder(tmp_path):
    """Each looks whether the lock that an earlier run left is held, and holds it for a moment."""
    import threading

    with Store(tmp_path):
        pass
    refused = []

    def begin(number):
        try:
            Store(tmp_path, (number, 16)).close()
        except StorageError as error:
            refused.append(str(error))

    for _ in range(6):
        threads = [threading.Thread(target=begin, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []
