"""--out of tools that compute for minutes: refused at once where it cannot be written; results are printed first."""

import errno

import pytest
from small_systems import untrained

from tbpsbench.files import storage_error


@pytest.mark.parametrize("name", ["probe", "breakdown"])
@pytest.mark.parametrize("place", ["file/out.json", "folder.json"])
def test_an_unusable_file_is_refused_before_anything_is_computed(tmp_path, tool, monkeypatch, name, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.json").mkdir()
    monkeypatch.setattr("tbpsbench.engine.trained.open_trained", lambda *_: pytest.fail("opened"))
    code, out, err = tool(name, tmp_path / "best.pth", "--out", tmp_path / place)
    assert (code, out) == (1, "")
    assert err.startswith("error: cannot write ")


def test_probes_are_printed_though_the_disk_is_full_in_the_end(mini, tmp_path, tool, monkeypatch):
    def full(path, _value):
        raise storage_error(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("tbpsbench.files.write_json", full)
    system = untrained(mini, tmp_path / "system.pth")
    code, out, err = tool("probe", system, "--folds", 2, "--out", tmp_path / "probes.json")
    assert code == 1
    assert "Balanced accuracy in percent" in out
    assert "the disk is full" in err
    assert "probes: " not in out


def test_a_population_that_no_seed_can_be_is_refused_and_leaves_nothing(mini, tmp_path, tool):
    system, before = untrained(mini, tmp_path / "system.pth"), sorted(mini.iterdir())
    code, _, err = tool("probe", system, "--population", "9" * 23)
    assert code == 2
    assert "no whole number of 64 bits" in err
    assert sorted(mini.iterdir()) == before
