"""The benchmark of the selective scan runs, checks itself and prints what it promises; no time is judged here."""

from benchmark_runs import benchmark


def test_benchmark_prints_one_json_object_last():
    size = ["--length", 9, "--batch", 4, "--channels", 8, "--state", 3, "--reference-batch", 2]
    result = benchmark("selective_scan", "--repeats", 1, *size, "--one-batch", 3, "--one-channels", 5)
    assert set(result["ratios"]) == {
        "speedup_vs_textbook", "speedup_vs_transformers", "memory_vs_textbook", "one_position_vs_textbook",
        "one_position_vs_transformers",
    }  # fmt: skip
    assert result["size"]["length"] == 9
    assert (result["reference_batch"], result["reference_scaled"]) == (2, True)
    assert set(result["seconds"]) == {"ours", "textbook", "transformers"}
    assert max(result["relative_errors"].values()) <= result["tolerance"]
