"""The benchmark of exports compares embeddings before it tells a time."""

import pytest
from benchmark_runs import benchmark


@pytest.mark.slow
def test_exports_are_raced_with_the_system_and_compared():
    result = benchmark("exported", "--tiny", "--rounds", 1, "--captions", 1, "--batch", 4, "--threads", 1)
    assert set(result["targets"]) == set(result["ratios"])
    assert result["least_cosine"]["float32"]["images"] > 0.99999
    assert result["megabytes"]["int8"] < result["megabytes"]["float32"]
