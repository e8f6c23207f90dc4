"""Every config that ships is sound, and says in its docstring what it is."""

import ast
from pathlib import Path

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.dump import render
from tbpsbench.config.load import load_config

# Suites and captions are configs of other kinds: tests/leaderboard and tests/captions read them.
APART = {"_base_", "leaderboards", "captions"}
CONFIGS = sorted(path for path in Path("configs").rglob("*.py") if not APART & set(path.parts))


def test_there_are_configs_for_every_data_set():
    names = " ".join(path.stem for path in CONFIGS)
    for data in ("mini-pedes", "cuhk-pedes", "icfg-pedes", "rstp-reid"):
        assert data in names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_has_no_problems(path):
    assert [str(problem) for problem in check(load_config(path))] == []


@pytest.mark.parametrize("path", sorted(Path("configs").rglob("*.py")), ids=str)
def test_config_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_resolved_config_can_be_read_again(tmp_path):
    config = load_config(CONFIGS[0])
    (tmp_path / "copy.py").write_text(render(config.values))
    assert load_config(tmp_path / "copy.py").values == config.values
