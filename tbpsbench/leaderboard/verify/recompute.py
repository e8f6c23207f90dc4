"""Every number of a record again, from its evidence alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tbpsbench.errors import RegistryError, TBPSError
from tbpsbench.metrics.bootstrap import bootstrap_interval
from tbpsbench.metrics.result import per_query_values
from tbpsbench.records.evidence import Evidence

# Percent. Sums of fractions differ in the last bits between processors.
TOLERANCE = 1e-6


def per_query(evidence: Evidence, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Column -> (Q,) fractions of the config's metrics.

    Raises:
        RegistryError: if a metric belongs to a plug-in that is not installed, cannot be built as the config says, or
            fails on these ranks.
    """
    try:
        return per_query_values(evidence.ranks, config["evaluation"]["metrics"])
    except TBPSError:
        raise
    except Exception as error:  # the config names the class and its arguments, and may be a stranger's
        raise RegistryError(f"evaluation.metrics: {type(error).__name__}: {error}") from error


def recomputed(evidence: Evidence, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The part of `results` that follows from the ranks, in the record's form.

    Args:
        evidence: of one protocol.
        values: what `per_query` made of it.
    """
    return {
        "scores": {key: 100.0 * float(value_Q.mean()) for key, value_Q in values.items()},
        "intervals_95": {
            key: [100 * bound for bound in bootstrap_interval(value_Q, evidence.query_pids)]
            for key, value_Q in values.items()
        },
        "queries": len(evidence.ranks),
        "identities": len(np.unique(evidence.query_pids)),
        "skipped_queries": len(evidence.ranks.skipped),
        "tied_queries": evidence.ranks.ties,
    }


def disagreements(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) for every number that the ranks contradict."""
    for key, value in found.items():
        if not isinstance(value, Mapping):
            if recorded[key] != value:
                yield key, f"the record says {recorded[key]}, the ranks give {value}"
            continue
        for column in sorted({*recorded[key], *value}):
            if column not in value:
                yield f"{key}.{column}", "no metric of the config gives such a number"
            elif column not in recorded[key]:
                yield f"{key}.{column}", "is missing"
            elif not np.allclose(recorded[key][column], value[column], rtol=0, atol=TOLERANCE):
                yield f"{key}.{column}", f"the record says {recorded[key][column]}, the ranks give {value[column]}"
