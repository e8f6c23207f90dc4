"""Launches that are kept run the code that Triton's dispatch finds, compiled for a GPU that is not there."""

import pytest
from benchmark_runs import benchmark

pytest.importorskip("triton")


@pytest.mark.slow
def test_kept_launches_are_those_of_the_dispatch(monkeypatch):
    """The benchmark compares machine code, grids and numbers of both arms, and fails where they differ."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    result = benchmark("launches", "--repeats", 1)
    assert {name: call["launches"] for name, call in result["calls"].items()} == {
        "hsic_64": 2, "hsic_8192": 4, "sdm_64": 2, "tal_64": 2, "triplet_64": 5, "scan_8x64": 3,
    }  # fmt: skip
    assert set(result["targets"]) <= set(result["ratios"])
