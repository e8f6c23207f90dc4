"""The benchmark of re-ranking runs, checks itself and prints what it promises; no time is judged here."""

import runpy

import numpy as np
import pytest
from benchmark_runs import benchmark


def test_benchmark_prints_one_json_object_last():
    size = {"queries": 60, "gallery": 40, "dim": 16, "sets": 40}
    result = benchmark("reranking", "--repeats", 1, *(part for name in size for part in (f"--{name}", size[name])))
    assert result["size"] == size | {"einsum_texts": 32}
    assert result["ratios"].keys() == result["targets"].keys()
    for job, other in (("reciprocal", "released"), ("max_sim", "einsum")):
        assert result[job]["cpu_seconds"].keys() == result[job]["peak_mb"].keys() == {"ours", other}
        assert result[job]["entries_that_differ"] <= 1e-3
    assert result["environment"]["threads"] == 1


def test_arms_that_disagree_give_no_speed(modules, monkeypatch):
    race = runpy.run_path("benchmarks/reranking.py")["race"]
    monkeypatch.setitem(race.__globals__, "peak_extra_bytes", lambda prepare, function: (function(prepare()), 1))
    arms = {"ours": np.copy, "other": lambda data: data + 0.1 * (np.arange(1000) < 2)}
    with pytest.raises(SystemExit, match=r"disagree in 0\.2% of the entries"):
        race(lambda: np.zeros(1000), arms, 0.01, 2)
    assert race(lambda: np.zeros(1000), arms, 0.2, 2)["entries_that_differ"] == 0
