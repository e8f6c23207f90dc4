"""The benchmark of captioning runs, checks itself and prints what it promises; no time is judged here."""

import pytest
from benchmark_runs import benchmark

pytest.importorskip("openai")


def test_benchmark_prints_one_json_object_last():
    size = ["--calls", 60, "--latency", 0.02, "--at-once", 16, "--slots", 6, "--images", 3]
    result = benchmark("captioning", *size)
    assert set(result["targets"]) == set(result["ratios"])
    assert result["size"] == {"calls": 60, "latency": 0.02, "at_once": 16, "slots": 6}
    assert set(result["fixed"]) == {"4", "5", "6", "7"}
    assert result["alone"]["refused"] == result["ours"]["refused"] == 0
    assert result["ours_refused"]["most_in_flight"] <= 16
    # Seven pictures are sent without the uuid, one with it.
    assert result["ratios"]["bytes_plain_over_uuid"] > 2
