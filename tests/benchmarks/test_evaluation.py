"""The benchmark of the evaluation runs, checks itself and prints what it promises; no time is judged here."""

from benchmark_runs import benchmark


def test_benchmark_prints_one_json_object_last():
    size = ["--queries", 90, "--gallery", 110, "--dim", 16]
    result = benchmark("evaluation", "--repeats", 1, *size)
    assert set(result["ratios"]) == {"speedup_vs_argsort", "memory_vs_argsort", "time_vs_matmul"}
    assert result["size"] == {"queries": 90, "gallery": 110, "dim": 16}
    assert set(result["seconds"]) == {"ours", "argsort", "matmul", "matmul_blocks"}
    assert (result["argsort_queries"], result["argsort_scaled"]) == (90, False)
    assert result["largest_difference_points"] <= result["tolerance_points"]
    assert set(result["scores"]["ours"]) == {"R@1", "R@5", "R@10", "mAP", "mINP"}
    assert result["environment"]["threads"] == 1
