"""What `leaderboard.py verify` prints, and when it is a success."""

import shutil

import pytest

from ..factory import edit, imagine, make_seeds


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("tool")
    make_seeds(root / "runs", imagine(root / "data"))
    return root / "runs"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """Verify looks for a record's data in the usual folder, where the demo may have drawn others than these."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def records(made, tmp_path):
    """Three records without their runs."""
    for seed in (0, 1, 2):
        shutil.copytree(made / f"system-{seed}" / "record", tmp_path / "records" / str(seed))
    return tmp_path / "records"


def test_whole_records_are_a_summary(tool, records):
    code, out, _ = tool("leaderboard", "verify", records)
    assert code == 0
    *unchecked, summary = out.splitlines()
    assert summary == f"{records}: 3 records, 0 with problems; 0 between them (-v shows what was checked)"
    assert all(line.startswith("not checked in 3 of 3: ") for line in unchecked)
    code, out, _ = tool("leaderboard", "verify", "-v", records)
    assert code == 0
    assert out.count("  checked  schema") == 3


def test_a_record_with_problems_is_a_line(tool, records):
    edit(records / "1", lambda r: r["results"]["standard"]["scores"].update({"R@1": 99.0}))
    code, out, _ = tool("leaderboard", "verify", records)
    assert code == 1
    (line,) = [line for line in out.splitlines() if "results.standard" in line]
    assert line.startswith(f"{records / '1'}: 1 problem: results.standard.scores.R@1: the record says 99.0")
    assert "3 records, 1 with problems" in out.splitlines()[-1]
    assert str(records / "0") not in out


def test_a_record_s_file_is_taken_too(tool, records):
    code, out, _ = tool("leaderboard", "verify", records / "0" / "record.json")
    assert code == 0
    assert "record.json: 1 record, 0 with problems" in out.splitlines()[-1]
    (records / "0" / "record.json").write_text("{")
    code, out, _ = tool("leaderboard", "verify", records / "0" / "record.json")
    assert code == 1
    assert "not valid JSON" in out


def test_an_empty_folder_is_no_success(tool, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = tool("leaderboard", "verify", tmp_path / "empty")
    assert code == 2
    assert "no record.json below it" in err


def test_a_rescore_that_cannot_be_made_is_no_success(tool, records):
    code, out, _ = tool("leaderboard", "verify", records / "0", "--rescore")
    assert code == 1
    assert "NOT CHECKED: ranks from the checkpoint" in out
    assert "no problems" not in out


def test_scores_that_nothing_was_compared_with_are_no_success(tool, records):
    edit(records / "0", lambda r: r["config"]["evaluation"].update(metrics=[{"type": "Ours"}]), hashes=True)
    code, out, _ = tool("leaderboard", "verify", records / "0", "-v")
    assert code == 1
    assert "no problems" not in out
    assert "NOT CHECKED  scores and intervals of 'standard'" in out
    assert "1 whose numbers could not be checked" in out.splitlines()[-1]
