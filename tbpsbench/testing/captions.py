"""The contract of clusterers, and toy embeddings for them.

Shapes: N texts, D width, K clusters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbpsbench import registry
from tbpsbench.captions.clustering.base import NONE, Clusterer, Clusters
from tbpsbench.errors import TBPSError
from tbpsbench.testing.toy import Component

STYLES, EACH, WIDTH = 3, 40, 12


def toy_embeddings(styles: int = STYLES, each: int = EACH, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of texts in a few clear styles, some told twice, rows of any length: (N, D), and the styles (N,)."""
    rng = np.random.default_rng(0)
    direction_KD = np.eye(styles, width) * 4
    style_N = np.arange(styles * each) % styles
    row_ND = direction_KD[style_N] + rng.normal(size=(len(style_N), width)) * 0.4
    row_ND[-styles:] = row_ND[:styles]
    return (row_ND * rng.uniform(0.5, 2, (len(row_ND), 1))).astype(np.float32), style_N


def check_clusterer(config: Component) -> Clusters:
    """A clusterer puts texts into clusters as its kind does, repeats itself, and looks at directions alone.

    Returns:
        what it finds in `toy_embeddings`, three clear styles of 40 texts.
    """
    row_ND, _ = toy_embeddings()
    given_ND, clusterer = row_ND.copy(), _built(config)
    found = clusterer.cluster(given_ND)
    assert np.array_equal(given_ND, row_ND), "the embeddings were changed in place, expected them as they were"
    assert isinstance(found, Clusters), f"cluster returned {type(found).__name__}, expected Clusters"
    _check_shapes(found, row_ND)
    _check_members(found, clusterer.overlapping)
    for again, what in (
        (clusterer, "a second call"),
        (_built(config), "another instance of the same config"),
    ):
        np.random.seed(7)  # whoever draws from the global generator is found by it
        other = again.cluster(row_ND)
        assert np.array_equal(other.label_N, found.label_N), f"{what} gave other clusters, expected the same"
    longer = clusterer.cluster(row_ND * np.float32(4))
    assert np.array_equal(longer.label_N, found.label_N), (
        "rows four times as long gave other clusters, expected the same: embeddings are compared by direction "
        "(tbpsbench.captions.clustering.base.unit_rows)"
    )
    for bad, what in (
        (np.full_like(row_ND, np.nan), "numbers that are not finite"),
        (row_ND[:0], "no text at all"),
    ):
        try:
            clusterer.cluster(bad)
        except TBPSError:
            continue
        except Exception as error:
            raise AssertionError(
                f"for {what} it raised {type(error).__name__}: {error}; expected a DataError"
            ) from error
        raise AssertionError(f"for {what} it gave clusters, expected a DataError")
    return found


def _built(config: Component) -> Clusterer:
    built: Any = registry.CLUSTERERS.build(config, "clusterer")
    assert isinstance(built, Clusterer), f"it builds a {type(built).__name__}, expected a Clusterer"
    return built


def _check_shapes(found: Clusters, row_ND: np.ndarray) -> None:
    label_N, expected = np.asarray(found.label_N), (len(row_ND),)
    assert label_N.shape == expected, f"label_N has shape {label_N.shape}, expected one label a text: {expected}"
    assert label_N.dtype == np.int64, f"label_N is {label_N.dtype}, expected int64"
    outside = sorted(set(label_N.tolist()) - {NONE, *range(len(found))})
    assert not outside, (
        f"label_N holds {outside[:5]}, expected 0 to {len(found) - 1} for {len(found)} clusters, or {NONE}"
    )
    shape, wanted = found.centre_KD.shape, (len(found), row_ND.shape[1])
    assert shape == wanted, f"centre_KD has shape {shape}, expected (K, D): {wanted}"
    assert np.isfinite(found.centre_KD).all(), "a centre is not finite, expected numbers"
    assert all(isinstance(key, str) for key in found.report), "a key of the report is no text, expected plain data"


def _check_members(found: Clusters, overlapping: bool) -> None:
    holds: dict[int, set[int]] = {}
    for number, member_M in enumerate(found.members):
        assert len(member_M), f"cluster {number} is empty, expected texts in each"
        assert len(set(member_M.tolist())) == len(member_M), f"cluster {number} holds a text twice, expected it once"
        for text in member_M.tolist():
            holds.setdefault(text, set()).add(number)
    for text, label in enumerate(found.label_N.tolist()):
        clusters = holds.get(text, set())
        if label == NONE:
            assert not clusters, f"text {text} has the label {NONE} and is in {sorted(clusters)}, expected no cluster"
        else:
            assert label in clusters, (
                f"text {text} has the label {label} and is in {sorted(clusters)}, expected it there"
            )
        assert overlapping or len(clusters) == 1, (
            f"text {text} is in {len(clusters)} clusters, expected one: set overlapping = True"
        )
