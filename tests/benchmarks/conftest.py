"""Shared by the tests of benchmarks: their modules, which stand in a folder of their own."""

import sys

import pytest
from benchmark_runs import ROOT


@pytest.fixture
def modules(monkeypatch):
    """Import modules of the folder `benchmarks`, and forget them afterwards."""
    monkeypatch.syspath_prepend("benchmarks")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if (ROOT / "benchmarks" / f"{name}.py").exists():
            del sys.modules[name]
