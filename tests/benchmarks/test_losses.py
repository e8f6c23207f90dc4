"""The benchmark of the losses runs, checks itself and prints what it promises; no time is judged here."""

from benchmark_runs import benchmark


def test_benchmark_prints_one_json_object_last():
    size = ["--rows", 48, "--few", 8, "--triplet-rows", 40, "--dim", 16]
    result = benchmark("losses", "--repeats", 1, *size)
    assert set(result["targets"]) - {"triplet_vs_pml"} <= set(result["ratios"])
    assert result["size"] == {"rows": 48, "few": 8, "triplet_rows": 40, "dim": 16}
    assert set(result["cpu_seconds"]["hsic_few"]) == {"ours", "textbook", "width", "rows"}
    assert max(result["largest_difference"].values()) <= result["tolerance"]
