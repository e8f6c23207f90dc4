"""Is one system better than another, or did it draw better seeds and easier people? (protocol.md section 2)

Records are paired query by query; identities and seeds are both taken as samples. See compare/statistics.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import DataError, RegistryError
from tbpsbench.leaderboard.compare.statistics import Difference, difference
from tbpsbench.leaderboard.compare.system import System, listed, read_system
from tbpsbench.leaderboard.verify.recompute import per_query
from tbpsbench.reading import shown
from tbpsbench.records.badges import SIMULATED, SIMULATED_CAPTIONS, TALKED, badges_of
from tbpsbench.records.evidence import read_evidence
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.read import data_name

__all__ = ["Comparison", "System", "compare", "read_system"]

SIGNIFICANT = 0.05
# Keys that must agree, and what the reader calls them; "queries" is looked at apart.
COMPARABLE = {
    "data": "data set",
    "annotations": "annotation file",
    "track": "track",
    "ties": "rule for ties",
    "skip_unmatched": "skipping of queries without a match",
    "gallery": "size of the gallery",
    "spec": "version of the specification",
}
QUERIES = "queries"
# Badges of a side that a reader of the comparison must know; how a checkpoint was chosen is said apart.
NOTED = {
    "leak allowed": "was evaluated with leaks",
    "partial data": "was evaluated on partial data",
    SIMULATED: "had simulated descriptions",
    TALKED[0]: "had a simulated judge and answerer",
    TALKED[1]: "was helped by a witness who knows the person",
    TALKED[2]: "was helped by whoever sees the picture that is looked for",
    SIMULATED_CAPTIONS: "was trained on simulated captions",
}


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same queries.

    Attributes:
        a, b: names of the systems.
        scores: mean of each over its seeds, in percent.
        seeds: of each.
        metric, protocol, data: what was compared.
        difference: A minus B in points, with interval and p-value.
        notes: what a reader must know besides.
    """

    a: str
    b: str
    scores: tuple[float, float]
    seeds: tuple[list[int], list[int]]
    metric: str
    protocol: str
    data: str
    difference: Difference
    notes: list[str] = field(default_factory=list)

    @property
    def significant(self) -> bool:
        """Whether a difference is claimed."""
        return self.difference.p_value < SIGNIFICANT

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        found = self.difference
        reach = f"95 % interval {found.low:+.2f} to {found.high:+.2f}, {_p(found.p_value)}"
        if self.significant:
            better, worse = (self.a, self.b) if found.estimate > 0 else (self.b, self.a)
            text = f"{better} is better than {worse} by {abs(found.estimate):.2f} points of {self.metric} ({reach})"
        else:
            gap = f"{found.estimate:+.2f} points of {self.metric} ({reach})"
            text = f"{self.a} and {self.b} do not differ significantly: {gap}"
        if found.basis == "none":
            text += "; one seed each, so this is about these two training runs only: another seed may reverse it"
        return f"{text}."

    def report(self) -> str:
        """The outcome as text."""
        found, (a, b) = self.difference, self.scores
        width = max(len(self.a), len(self.b))
        lines = [
            f"{self.metric}, {self.protocol}, {self.data}: {found.queries} queries of {found.identities} identities",
            f"  A  {self.a:<{width}}  {a:6.2f}  seeds {listed(self.seeds[0])}",
            f"  B  {self.b:<{width}}  {b:6.2f}  seeds {listed(self.seeds[1])}",
            f"  A - B  {found.estimate:+.2f}, standard error {found.standard_error:.2f} "
            f"(identities {found.identity_error:.2f}, seeds {_seed_error(found)}), {found.df:.1f} degrees of freedom",
        ]
        if found.resampled:
            low, high = found.resampled
            lines.append(f"  resampling identities and seeds: {low:+.2f} to {high:+.2f}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes), self.verdict])

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {**asdict(self), "significant": self.significant, "verdict": self.verdict}


def compare(
    records_a: str | Path | Iterable[str | Path],
    records_b: str | Path | Iterable[str | Path],
    metric: str = "R@1",
    protocol: str = "standard",
    *,
    allow: Collection[str] = (),
) -> Comparison:
    """Compare two systems over their seeds.

    Args:
        records_a, records_b: folders of records, or folders that hold them; all of one system each.
        metric: a column of the records.
        protocol: a name in their `results`.
        allow: what may differ: keys of COMPARABLE, or "queries" to compare on those that both answered.

    Raises:
        DataError: if a side is not one system, a record is damaged, or the two must not be compared; names why.
    """
    if unknown := [key for key in allow if key not in (*COMPARABLE, QUERIES)]:
        known = ", ".join((*COMPARABLE, QUERIES))
        raise DataError(f"no difference that can be allowed is called {', '.join(unknown)}; there are: {known}")
    a, b = read_system(records_a), read_system(records_b)
    if shared := {path.resolve() for path in a.folders} & {path.resolve() for path in b.folders}:
        raise DataError(f"{min(shared)}: is on both sides. A record cannot be compared with itself.")
    different = _differences(a, b, protocol)
    if refused := {key: pair for key, pair in different.items() if key not in allow}:
        listing = "".join(f"\n  {COMPARABLE[key]}: {one!r} and {two!r}" for key, (one, two) in refused.items())
        raise DataError(
            f"{a.name} and {b.name} cannot be compared:{listing}\n"
            f"Evaluate both in the same way or, if you intend the difference, allow it: {', '.join(refused)}."
        )
    values_a, values_b, pids = _paired(a, b, metric, protocol, QUERIES in allow)
    found = difference(100 * values_a, 100 * values_b, pids, paired=_same_models(a, b))
    names = (a.name, b.name) if a.name != b.name else (_label(a), _label(b))
    return Comparison(
        *(shown(names[0]), shown(names[1])),
        scores=(100 * float(values_a.mean()), 100 * float(values_b.mean())),
        seeds=(a.seeds, b.seeds),
        metric=metric,
        protocol=protocol,
        data=data_name(a.records[0]),
        difference=found,
        notes=_notes(a, b, different, found),
    )


def _differences(a: System, b: System, protocol: str) -> dict[str, tuple[Any, Any]]:
    """What must agree and does not: key -> what A and B have."""
    one, two = ([_comparable(record, folder, protocol) for record, folder in _items(side)] for side in (a, b))
    pairs = {key: ([row[key] for row in one], [row[key] for row in two]) for key in COMPARABLE}
    return {
        key: (left[0], next((value for value in right if value != left[0]), left[-1]))
        for key, (left, right) in pairs.items()
        if any(value != left[0] for value in (*left, *right))
    }


def _items(side: System) -> Iterable[tuple[dict[str, Any], Path]]:
    return zip(side.records, side.folders, strict=True)


def _comparable(record: Mapping[str, Any], folder: Path, protocol: str) -> dict[str, Any]:
    if protocol not in record["results"]:
        names = ", ".join(record["results"])
        raise DataError(f"{folder}: has no protocol {protocol!r}, only: {names}")
    return {
        "data": data_name(record),
        "annotations": annotations_sha256(record)[:12],
        "track": record["track"],
        "ties": record["protocol"]["ties"],
        "skip_unmatched": record["protocol"]["skip_unmatched"],
        "gallery": record["results"][protocol]["gallery"],
        "spec": record["spec"]["version"],
    }


def _paired(
    a: System, b: System, metric: str, protocol: str, common: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of A and of B, (seeds, queries) each, and the identity of each query; in one order of queries."""
    sides = [[_values(record, folder, metric, protocol) for record, folder in _items(side)] for side in (a, b)]
    every = [ids for side in sides for ids, _, _ in side]
    shared = every[0]
    for ids in every[1:]:
        shared = np.intersect1d(shared, ids)
    if any(len(ids) != len(shared) for ids in every) and not common:
        counts = ", ".join(str(len(ids)) for ids in every)
        raise DataError(
            f"{a.name} and {b.name} answered different queries ({counts}; {len(shared)} in common). Evaluate both on "
            f"the same, or allow it: {QUERIES}."
        )
    if not len(shared):
        raise DataError(f"{a.name} and {b.name} have no query in common")
    pids, rows = [], []
    for side in sides:
        for ids, people, values in side:
            order = np.argsort(ids)
            place = order[np.searchsorted(ids, shared, sorter=order)]
            pids.append(people[place])
            rows.append(values[place])
    if any((other != pids[0]).any() for other in pids):
        raise DataError(f"{a.name} and {b.name} assign the same queries to different people: not the same data set")
    count = len(sides[0])
    return np.stack(rows[:count]), np.stack(rows[count:]), pids[0]


def _same_models(a: System, b: System) -> bool:
    """Whether both sides are the same trained models, seed for seed, evaluated in two ways."""
    models = [[(record.get("checkpoint") or {}).get("sha256") for record in side.records] for side in (a, b)]
    return None not in models[0] and models[0] == models[1]


def _values(
    record: Mapping[str, Any], folder: Path, metric: str, protocol: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    evidence = read_evidence(folder / record["evidence"]["file"])
    if protocol not in evidence:
        raise DataError(f"{folder}: ranks.npz has no {protocol!r}. Verify the record.")
    try:
        values = per_query(evidence[protocol], record["config"])
    except (RegistryError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: its metrics cannot be computed again: {error}") from error
    if metric not in values:
        near = did_you_mean(metric, values)
        raise DataError(f"{folder}: has no metric {metric!r}.{near} There are: {', '.join(values)}")
    return evidence[protocol].query_ids, evidence[protocol].query_pids, values[metric]


def _notes(a: System, b: System, different: Mapping[str, tuple[Any, Any]], found: Difference) -> list[str]:
    notes = [f"{COMPARABLE[key]} differs: {one!r} and {two!r}" for key, (one, two) in different.items()]
    rules = [{record["selection"]["rule"] for record in side.records} for side in (a, b)]
    if rules[0] != rules[1]:
        notes.append(
            f"checkpoints were chosen by different rules: {listed(sorted(rules[0]))} and {listed(sorted(rules[1]))}"
        )
    for side in (a, b):
        if any(record["selection"]["rule"] == "test" for record in side.records):
            notes.append(f"{side.name} was selected on test: its score is too high by an unknown amount")
        badges = dict.fromkeys(badge for record in side.records for badge in badges_of(record))
        for badge in (badge for badge in badges if badge in NOTED):
            notes.append(f"{side.name} {NOTED[badge]}")
    trained = [{record["spec"].get("trained_on", record["spec"]["data"]) for record in side.records} for side in (a, b)]
    if trained[0] != trained[1]:
        notes.append(f"trained on different data: {listed(sorted(trained[0]))} and {listed(sorted(trained[1]))}")
    if _same_models(a, b):
        notes.append("both sides are the same trained models: compared seed by seed")
    if found.basis == "one":
        notes.append("one side has a single seed: the other's variance between seeds is used for both")
    if found.basis == "none":
        notes.append("a single seed on each side: the interval is over identities alone and too narrow")
    return notes


def _label(side: System) -> str:
    return f"{side.name} (seeds {listed(side.seeds)}, {side.records[0]['system_sha256'][:8]})"


def _seed_error(found: Difference) -> str:
    return "unknown" if found.basis == "none" else f"{found.seed_error:.2f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
