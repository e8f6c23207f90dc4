"""The benchmark of style clustering compares what was found with the annotators' styles, and draws it."""

import numpy as np
import pytest
from benchmark_runs import benchmark
from PIL import Image


@pytest.mark.slow
def test_every_clusterer_is_compared_and_memory_is_bounded(mini, tmp_path):
    picture = tmp_path / "styles.png"
    found = benchmark(
        "style_clustering", "--root", mini, "--size", "tiny", "--each", 4, "--embedders", "clip-random",
        "--texts", 400, "--width", 16, "--picture", picture,
    )  # fmt: skip
    assert found["styles"] >= 8
    for rows in found["found"]["clip-random"].values():
        assert abs(rows["Random"]["ari"]) < 0.3
        for name in ("KMeans", "GMM", "Agglomerative"):
            assert rows[name]["clusters"] == 10
            assert 0 < rows[name]["purity"] <= 1
        assert all("refused" in row or row["clusters"] > 1 for row in rows["DBSCAN by radius"].values())
    assert found["distinct"]["masked"] <= found["distinct"]["raw"] <= found["texts"]
    for radius in ("suggested", "everything"):
        assert found["memory"][radius]["peak_mb"] < 500
    assert found["memory"]["everything"]["report"]["clusters"] == 1
    with Image.open(picture) as image:
        assert np.asarray(image.convert("L")).std() > 5
