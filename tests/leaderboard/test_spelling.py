"""1 and 1.0 in the configs of two seeds: one system wherever systems are told apart."""

import shutil

from tbpsbench.config.settings import Settings
from tbpsbench.leaderboard.compare.system import read_system
from tbpsbench.leaderboard.suite.wanted import records_there, wanted_record
from tbpsbench.leaderboard.verify.group import group_problems

from .factory import edit, imagine, make_seeds, read


def spelt(root):
    folders = make_seeds(root, imagine(root / "data"), seeds=(0, 1))
    for folder, norm in zip(folders, (1, 1.0), strict=True):
        edit(folder, lambda r, norm=norm: r["config"]["runtime"].update(clip_grad_norm=norm), hashes=True)
    return folders


def test_two_spellings_are_one_system(tmp_path):
    folders = spelt(tmp_path)
    assert len({read(folder)["system_sha256"] for folder in folders}) == 2
    assert read_system(folders).seeds == [0, 1]
    assert group_problems([(str(folder), read(folder)) for folder in folders]) == []


def test_one_seed_in_two_spellings_is_there_twice(tmp_path):
    first, _ = spelt(tmp_path)
    shutil.copytree(first, tmp_path / "again")
    edit(tmp_path / "again", lambda r: r["config"]["runtime"].update(clip_grad_norm=1.0), hashes=True)
    found = group_problems([(str(folder), read(folder)) for folder in (first, tmp_path / "again")])
    assert any("2 records are of one system, data set and seed" in str(problem) for problem in found)


def test_a_record_in_another_spelling_is_the_one_that_is_wanted(tmp_path):
    first, _ = spelt(tmp_path)
    config = read(first)["config"]
    config["runtime"]["clip_grad_norm"] = 1.0
    settings = Settings.of(config)
    wanted = wanted_record("system", 0, settings, settings)
    assert wanted.is_among(records_there(first, {"system"}))
