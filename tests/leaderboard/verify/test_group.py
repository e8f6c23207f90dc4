"""Records side by side, and real runs: whole, and evaluated again."""

import shutil

import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.verify.data import WHAT
from tbpsbench.leaderboard.verify.group import verify_all
from tbpsbench.leaderboard.verify.recompute import per_query, recomputed
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.leaderboard.verify.rescore import rescore
from tbpsbench.records.evidence import read_evidence
from tbpsbench.records.read import RECORD

from ..factory import edit, edit_ranks, fix_hashes, imagine, make, make_seeds, read, unchecked


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def trained(tool, demo, trained_folder):
    """A real run of one epoch, made once: its folder."""
    if not (trained_folder / "record" / RECORD).exists():
        code, _, err = tool("train", demo[0], "--work-dir", trained_folder, *demo[1:], "schedule.max_epochs=1")
        assert code == 0, err
    return trained_folder


def test_a_root_is_that_of_the_records_that_it_fits(tmp_path):
    imagined = imagine(tmp_path / "data")
    make(tmp_path / "runs" / "one", imagined)
    edit(make(tmp_path / "runs" / "two", imagined), lambda r: r["data"]["component"].update(seed=3))
    found = verify_all(tmp_path / "runs", data=imagined.root)
    assert [WHAT in unchecked(one) for one in found.records] == [False, True]
    with pytest.raises(DataError, match="Name the root of the data set"):
        verify_all(tmp_path / "runs", data=tmp_path)


def test_missing_seeds_are_found(tmp_path):
    folders = make_seeds(tmp_path, imagine(tmp_path / "data"))
    assert verify_all(tmp_path).ok, verify_all(tmp_path).report()
    shutil.rmtree(folders[1].parent)
    found = verify_all(tmp_path)
    assert all(one.ok for one in found.records)
    assert not found.ok
    assert "no record has 1" in found.report()


def test_same_result_twice_is_found(tmp_path):
    folders = make_seeds(tmp_path, imagine(tmp_path / "data"), (0, 1))
    shutil.copytree(folders[0].parent, tmp_path / "again")
    assert "2 records are of one system, data set and seed" in verify_all(tmp_path).report()


def test_one_run_handed_in_as_two_seeds_is_found(tmp_path):
    folders = make_seeds(tmp_path, imagine(tmp_path / "data"), (0, 1))
    shutil.rmtree(folders[1].parent)
    copy = shutil.copytree(folders[0], tmp_path / "copy")
    edit(copy, lambda r: (r.update(seed=1), r["config"].update(seed=1)), hashes=True)
    found = verify_all(tmp_path)
    assert [problem.what for problem in found.problems] == ["checkpoint", "ranks.npz"]


def test_seeds_with_other_settings_or_data_are_found(tmp_path):
    imagined, other = imagine(tmp_path / "data"), imagine(tmp_path / "other", identities=11)
    suite = {"name": "imagined", "entry": "system", "seeds": [0, 1, 2]}
    make(tmp_path / "0", imagined, seed=0, suite=suite)
    make(tmp_path / "1", imagined, seed=1, suite=suite, options=("optimizer.lr=1",))
    make(tmp_path / "2", other, seed=2, suite=suite)
    text = verify_all(tmp_path).report()
    assert "optimizer.lr" in text
    assert "different annotation files" in text


def test_damaged_record_does_not_hide_the_others(tmp_path):
    folders = make_seeds(tmp_path, imagine(tmp_path / "data"), (0, 1))
    (folders[0] / RECORD).write_text("{")
    found = verify_all(tmp_path)
    assert [one.ok for one in found.records] == [False, True]


def test_real_run_passes_with_checkpoint_and_data(trained):
    found = verify(trained / "record", rebuild=True)
    assert found.ok, found.report()
    text = " ".join(found.checked)
    assert "config and selection within the checkpoint" in text
    assert "leak guard again" in text


def test_real_run_gives_its_ranks_again(trained, mini):
    found = rescore(trained / "record", root=mini)
    assert found.ok, found.report()
    assert sum("every one is the same" in what for what in found.checked) == 2


def test_rank_edited_with_all_that_follows_is_found_by_evaluating_again(trained, mini, tmp_path):
    """Scores, intervals and hashes are made to fit; nothing but the checkpoint knows."""
    run = shutil.copytree(trained / "record", tmp_path / "record")

    def perfect(arrays):
        starts = arrays["standard/offsets"]
        counts = np.diff(starts)
        arrays["standard/ranks"] = np.arange(len(arrays["standard/ranks"])) - np.repeat(starts[:-1], counts)

    edit_ranks(run, perfect)

    def fit(record):
        evidence = read_evidence(run / "ranks.npz")["standard"]
        record["results"]["standard"] |= recomputed(evidence, per_query(evidence, record["config"]))

    edit(run, fit)
    fix_hashes(run)
    best = trained / "best.pth"
    assert verify(run, checkpoint=best).ok
    found = rescore(run, best, root=mini)
    assert "does not come from this checkpoint" in found.report()


def test_folders_and_addresses_of_a_record_are_never_used(trained, mini, tmp_path, monkeypatch):
    """A stranger's record names where to read, write and fetch; only what the user names is looked at."""
    run = shutil.copytree(trained / "record", tmp_path / "record")
    own = tmp_path / "theirs"

    def lead_away(record):
        record["data"]["component"]["root"] = record["config"]["data"]["dataset"]["root"] = str(own / "data")
        record["config"]["data"]["cache_dir"] = str(own / "cache")
        record["config"]["evaluation"] |= {"batch_size": 4}

    edit(run, lead_away, hashes=True)
    monkeypatch.chdir(tmp_path)
    assert verify(run, checkpoint=trained / "best.pth").ok is False, "the checkpoint's data set lay elsewhere"
    edit(run, lambda r: r["config"]["data"]["dataset"].update(root=str(mini)), hashes=True)
    found = rescore(run, trained / "best.pth", root=mini)
    assert found.ok, found.report()
    assert not own.exists()
    edit(
        run, lambda r: r["config"]["model"]["image_encoder"].update(pretrained="https://example.org/a.pth"), hashes=True
    )
    found = rescore(run, trained / "best.pth", root=mini)
    assert "ranks from the checkpoint" in unchecked(found)
    assert not found.ok
    edit(run, lambda r: r["config"]["evaluation"].update(gallery_texts="../../secret"), hashes=True)
    assert "not the name of a file" in rescore(run, trained / "best.pth", root=mini).report()


def test_recomputed_numbers_are_those_of_a_run_bit_for_bit(trained):
    record = read(trained / "record")
    for name, evidence in read_evidence(trained / "record" / "ranks.npz").items():
        found = recomputed(evidence, per_query(evidence, record["config"]))
        assert found == {key: record["results"][name][key] for key in found}
