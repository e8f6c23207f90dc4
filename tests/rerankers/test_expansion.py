import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.errors import DataError
from tbpsbench.rerankers.expansion import expand_features


@each_golden("rerank")
def test_golden_rerank_query_expansion(path):
    golden = Golden(path)
    query_QD, gallery_GD = golden["aqe/q_in"], golden["aqe/g_in"]
    cases = list(zip(golden["aqe/params"], golden["aqe/q_out"], golden["aqe/g_out"], strict=True))
    for (times, k, alpha), query, gallery in cases:
        ours = expand_features(query_QD, gallery_GD, int(k), float(alpha), int(times))
        largest = max(np.abs(query).max(), np.abs(gallery).max())
        for mine, theirs in zip(ours, (query, gallery), strict=True):
            assert np.abs(mine - theirs).max() <= 1e-5 * largest
    one = expand_features(query_QD[:1], gallery_GD, 5, 3.0)
    for mine, name in zip(one, ("aqe/one/q_out", "aqe/one/g_out"), strict=True):
        assert np.abs(mine - golden[name]).max() <= 1e-5 * np.abs(golden[name]).max()


def test_what_cannot_be_expanded_is_refused():
    query, gallery = np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(DataError, match="k is 3, expected 1 to 2"):
        expand_features(query, gallery, 3)
    with pytest.raises(DataError, match="a negative cosine has no such power"):
        expand_features(query, gallery[:1].repeat(2, 0), 2, 0.5)
    with pytest.raises(DataError, match="widths must agree"):
        expand_features(query, np.zeros((2, 3)), 1)
