"""Records from strangers: taken whole and once, or refused with every reason."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tbpsbench.errors import DataError, StorageError
from tbpsbench.leaderboard.verify import submit as module
from tbpsbench.leaderboard.verify.submit import SubmissionError, submit
from tbpsbench.records.names import record_folder
from tbpsbench.records.read import find_records

from ..factory import edit, edit_ranks, imagine, make, make_seeds, read

ABOUT = {"system": "theirs", "citation": "Doe 2026", "code": "https://example.org/theirs", "contact": "doe@example.org"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("submit")
    make_seeds(root / "runs", imagine(root / "data"), name="theirs")
    return root / "runs"


@pytest.fixture
def parcel(made, tmp_path):
    """What a third party sends: record folders without checkpoints."""
    for seed in (0, 1, 2):
        folder = shutil.copytree(made / f"theirs-{seed}" / "record", tmp_path / "parcel" / str(seed))
        (folder / "about.json").write_text(json.dumps(ABOUT))
    return tmp_path / "parcel"


@pytest.fixture
def shelf(tmp_path):
    return tmp_path / "records"


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_records_come_to_their_canonical_places(parcel, shelf):
    found = submit(parcel, shelf)
    assert len(found.taken) == 3
    for seed in (0, 1, 2):
        target = shelf / record_folder(read(parcel / str(seed)))
        assert sorted(path.name for path in target.iterdir()) == ["about.json", "ranks.npz", "record.json"]
        assert (target / "record.json").read_bytes() == (parcel / str(seed) / "record.json").read_bytes()
        assert target.stat().st_mode & 0o755 == 0o755
    assert "3 records added" in found.report()
    assert "not checked: that the ranks come from the checkpoint" in found.report().replace(f"{parcel}/0: ", "")


def test_second_time_nothing_happens(parcel, shelf):
    submit(parcel, shelf)
    before = files(shelf)
    found = submit(parcel, shelf)
    assert (len(found.taken), len(found.known)) == (0, 3)
    assert files(shelf) == before


def test_other_record_in_its_place_is_never_replaced(parcel, shelf):
    submit(parcel, shelf)
    target = shelf / record_folder(read(parcel / "1"))
    old = (target / "record.json").read_bytes()
    edit(parcel / "1", lambda r: r.update(date="2026-01-01T00:00:00+00:00"))
    with pytest.raises(SubmissionError, match="another record is there"):
        submit(parcel, shelf)
    assert (target / "record.json").read_bytes() == old


def test_one_wrong_record_keeps_all_out(parcel, shelf):
    edit(parcel / "2", lambda r: r["results"]["standard"]["scores"].update({"R@1": 99.0}))
    edit_ranks(parcel / "1", lambda arrays: arrays.update({"standard/tied": arrays["standard/tied"] + 1}))
    with pytest.raises(SubmissionError) as error:
        submit(parcel, shelf)
    assert "results.standard.scores.R@1" in str(error.value)
    assert "evidence.sha256" in str(error.value)
    assert error.value.exit_code == 2
    assert files(shelf) == []


def test_missing_seeds_are_refused(parcel, shelf):
    shutil.rmtree(parcel / "1")
    with pytest.raises(SubmissionError, match="no record has 1"):
        submit(parcel, shelf)


@pytest.mark.parametrize("name", ["ranks.npz", "record.json", "about.json"])
def test_files_that_are_too_large_are_refused_unread(parcel, shelf, monkeypatch, name):
    size = (parcel / "0" / name).stat().st_size
    monkeypatch.setitem(module.LIMITS, name, size - 1)
    with pytest.raises(SubmissionError, match=f"more than {size - 1}"):
        submit(parcel, shelf)


def test_scores_of_an_unknown_metric_are_refused(parcel, shelf):
    """Otherwise any number could be handed in, under a metric that nobody can compute."""

    def rename(record):
        record["config"]["evaluation"]["metrics"] = [{"type": "Ours"}]
        record["results"]["standard"]["scores"]["R@1"] = 99.9

    for seed in (0, 1, 2):
        edit(parcel / str(seed), rename, hashes=True)
    with pytest.raises(SubmissionError, match="a metric cannot be built"):
        submit(parcel, shelf)


def test_missing_evidence_is_refused(parcel, shelf):
    (parcel / "0" / "ranks.npz").unlink()
    with pytest.raises(SubmissionError, match="is missing"):
        submit(parcel, shelf)


def test_links_are_refused(parcel, shelf, tmp_path):
    shutil.move(parcel / "0" / "ranks.npz", tmp_path / "elsewhere.npz")
    (parcel / "0" / "ranks.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(SubmissionError, match="is a link"):
        submit(parcel, shelf)


def test_folder_without_records_is_refused(shelf, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SubmissionError, match=r"no record\.json"):
        submit(tmp_path / "empty", shelf)
    with pytest.raises(DataError, match="no such folder"):
        submit(tmp_path / "gone", shelf)


def test_users_and_paths_are_warned_of(shelf, tmp_path):
    imagined = imagine(tmp_path / "data")
    folder = make(tmp_path / "run", imagined, options=("data.cache_dir=/home/alice/cache",))
    found = submit(folder, shelf)
    text = found.report()
    assert "config.data.cache_dir: names a user, 'alice'" in text
    assert f"is a path on the sender's machine: {tmp_path}" in text
    assert len(found.taken) == 1


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "nothing says whom to cite or ask"),
        ("{", "not valid JSON"),
        ("[]", "is not an object"),
        (json.dumps({**ABOUT, "citation": ""}), "lacks citation"),
        (json.dumps({**ABOUT, "system": "other"}), "is about 'other'"),
        (json.dumps({**ABOUT, "code": "ftp"}), "code is not a URL"),
    ],
)
def test_about_is_asked_for(parcel, shelf, about, message):
    path = parcel / "0" / "about.json"
    path.unlink()
    if about is not None:
        path.write_text(about)
    found = submit(parcel, shelf)
    assert message in found.report()
    assert len(found.taken) == 3


def test_copy_that_fails_leaves_nothing_behind(parcel, shelf, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(StorageError, match="disk is full"):
        submit(parcel, shelf)
    assert files(shelf) == []
    assert not [name for _, folders, _ in os.walk(shelf) for name in folders if name.startswith(".")]


def test_what_a_kill_left_is_no_record_and_goes_with_the_next_submission(parcel, shelf):
    code = f"""
import os, shutil, signal
from tbpsbench.leaderboard.verify import submit as module
copied = []
def copyfile(source, target, plain=shutil.copyfile):
    plain(source, target)
    copied.append(target)
    if len(copied) == 4:  # the second record's first file
        os.kill(os.getpid(), signal.SIGKILL)
module.shutil.copyfile = copyfile
module.submit({str(parcel)!r}, {str(shelf)!r})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert len(list(shelf.rglob("record.json"))) == 2
    assert len(find_records(shelf)) == 1  # the one that was whole
    found = submit(parcel, shelf)
    assert (len(found.taken), len(found.known)) == (2, 1)
    assert len(files(shelf)) == 9


def test_annotations_are_compared_where_asked_for(made, shelf, tmp_path):
    parcel = shutil.copytree(made / "theirs-0" / "record", tmp_path / "one")
    edit(parcel, lambda r: r.update(suite={}))
    other = imagine(tmp_path / "other", identities=9)
    with pytest.raises(SubmissionError, match=r"data\.sources\.captions"):
        submit(parcel, shelf, data=other.root)
