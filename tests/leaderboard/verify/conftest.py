"""Runs that nobody touched, and copies of them to spoil."""

import shutil

import pytest

from ..factory import make_all


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Runs that nobody touched."""
    return make_all(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def runs(whole, tmp_path):
    """A copy of them to spoil; their data stay where they are."""
    return shutil.copytree(whole, tmp_path / "runs", ignore=shutil.ignore_patterns("data"))


@pytest.fixture
def run(runs):
    return runs / "val" / "record"
