"""The benchmark of searches, at a size where no time means anything: its arms agree, or it fails."""

import pytest
from benchmark_runs import benchmark


def test_all_arms_search_the_same_rows():
    pytest.importorskip("faiss")
    pytest.importorskip("turbovec")
    found = benchmark("search", "--rows", 3000, "--dim", 32, "--repeats", 1)
    assert found["rows"] == found["random"]["rows"] == 3000
    for arm, kind in (("compressed", "faiss-rabitq"), ("turbovec", "turbovec")):
        assert found["random"][arm]["kind"] == kind
        assert found["ratios"][f"{arm}_recall"] >= 0.95
        assert 0 < found["random"][arm]["resident_gb"] < 1
    assert 20 <= found["random"]["scored_exactly"] < 3000
