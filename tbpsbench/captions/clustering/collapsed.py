"""The last step of density-based clusterers: settled clusters, or another clusterer where they are of no use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tbpsbench.captions.clustering.base import Clusters, partition
from tbpsbench.captions.clustering.settle import settle
from tbpsbench.errors import DataError
from tbpsbench.registry import CLUSTERERS


def settled_or_fallback(
    name: str,
    row_ND: np.ndarray,
    label_N: np.ndarray,
    least: int,
    chosen: Mapping[str, Any],
    fallback: Mapping[str, Any] | None,
    advice: str,
) -> Clusters:
    """The settled clusters, or those of `fallback` where they have collapsed; the report says which and why.

    Args:
        name: of the clusterer, for messages.
        row_ND: (N, D) unit rows.
        label_N: (N,) with `NONE` for noise.
        least: texts of a cluster that stays.
        chosen: what was decided before (a radius, a size), for the report.
        fallback: a component of CLUSTERERS, or None.
        advice: what a user can do about a collapse.

    Raises:
        DataError: if the clusters have collapsed and there is no fallback; says what was found.
    """
    settled_N, report = settle(row_ND, label_N, least)
    report = {**chosen, **report}
    if report["collapse"] is None:
        return partition(row_ND, settled_N, report)
    if fallback is None:
        found = ", ".join(f"{key} {value:.3g}" for key, value in chosen.items() if isinstance(value, int | float))
        raise DataError(f"{name} ({found}) found no styles: {report['collapse']}. {advice}")
    other = CLUSTERERS.build(fallback, "fallback").cluster(row_ND)
    return replace(other, report={**other.report, "fallback": fallback["type"], "instead_of": {"type": name, **report}})
