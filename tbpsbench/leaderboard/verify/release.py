"""Whether the counts of a record can be those of the data set that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbpsbench.builtins import BUILTINS
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.data.carving import CARVED
from tbpsbench.errors import ConfigError, DataError, RegistryError
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.minipedes.build import DATASET, plan
from tbpsbench.records.badges import is_external
from tbpsbench.records.identity import data_key
from tbpsbench.registry import DATASETS

FIX = "Evaluate on the whole release, or on data that are prepared as partial: their records carry a badge."
MAIN_SPLITS = ("train", "val", "test")
# Nobody draws more, and the plan of as many is made in memory.
MAX_DRAWN = 100_000


def check_release(found: Verification) -> None:
    """Compare counts with those of the release, and the name with the class that reads it."""
    data = found.record["data"]
    kind, name, counts = data["component"]["type"], data["dataset"], data["counts"]
    known = _by_name()
    if name in known and kind not in known[name]:
        what = f"{name} is read by {' or '.join(sorted(known[name]))}, not by {kind!r}"
        found.problem("data.dataset", what, "A data set of one's own needs a name of its own.")
        return
    if kind in BUILTINS["DATASETS"]:
        try:
            title = DATASETS.build({**data["component"], "root": ""}, "data.component").title
        except (ConfigError, RegistryError) as error:
            found.problem("data.component", str(error), FIX)
            return
        if name != title:
            found.problem("data.dataset", f"is {name!r}, {kind} reads {title!r}", FIX)
            return
    if kind == DATASET:
        _check_drawn(found)
    _check_trained_on(found)
    reader = DATASETS.get(kind) if kind in BUILTINS["DATASETS"] else known.get(name, {}).get(kind)
    if reader is None:
        found.skip("counts against the release", f"no plug-in that is installed here reads {name}")
    elif reader.expected is not None and not data["partial"]:
        release = {split: dict(row) for split, row in reader.expected.items()}
        found.equal("data.counts", _whole(counts), release, FIX, f"the release of {name}")
        found.checked.append(f"counts against the release of {name}")


def _by_name() -> dict[str, dict[str, type[PersonSearchDataset]]]:
    """Name of a data set -> its types with their classes; several if a plug-in reads the same release."""
    found: dict[str, dict[str, type[PersonSearchDataset]]] = {}
    for kind in DATASETS.names():
        try:
            cls = DATASETS.get(kind)
        except RegistryError:
            continue
        if isinstance(name := getattr(cls, "name", None), str):
            found.setdefault(name, {})[kind] = cls
    return found


def _whole(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Counts with a carved validation split back in the training split that it was taken from."""
    whole = {split: dict(row) for split, row in counts.items() if split != CARVED}
    for key, value in counts.get(CARVED, {}).items():
        train = whole.setdefault("train", {})
        train[key] = train.get(key, 0) + value
    return whole


def _check_drawn(found: Verification) -> None:
    """People and images of a MiniPEDES follow from its arguments."""
    data = found.record["data"]
    made: Mapping[str, Any] = next(
        (source["made_from"] for source in data["sources"] if source["role"] == "captions"), {}
    )
    component, people = data["component"], made.get("identities")
    if people is None:
        found.skip("counts against MiniPEDES", "its annotation file does not say how many people it has")
        return
    there = sum(row["ids"] for split, row in data["counts"].items() if split in MAIN_SPLITS)
    found.equal("data.counts", there, people, FIX, "data.sources (identities)")
    if there != people or there > MAX_DRAWN:
        return
    try:
        jobs = plan(component.get("size", "default"), component.get("identities"))
    except (DataError, TypeError) as error:
        found.problem("data.component", str(error), FIX)
        return
    drawn: dict[str, dict[str, int]] = {}
    for job in jobs:  # a job is one person in one outfit
        row = drawn.setdefault(job.split, {"ids": 0, "images": 0})
        row["ids"] += 1
        row["images"] += job.images
    counted = {split: {key: row[key] for key in ("ids", "images")} for split, row in data["counts"].items()}
    found.equal("data.counts", counted, drawn, FIX, "MiniPEDES")
    found.checked.append("counts against what MiniPEDES draws")


def _check_trained_on(found: Verification) -> None:
    """A model that was evaluated on the data of its config was trained on them."""
    record, component = found.record, found.record["data"]["component"]
    if is_external(record):
        return
    trained = record["spec"].get("trained_on", record["spec"]["data"])
    if component["type"] in BUILTINS["DATASETS"] and data_key(record["config"]["data"]["dataset"]) == data_key(
        component
    ):
        found.equal("spec.trained_on", trained, record["spec"]["data"], FIX, "config.data.dataset")
