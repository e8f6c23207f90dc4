"""Whether a record's story of how its checkpoint was chosen holds together.

Who chooses on the test split and says "val" must also change the split, the number of queries, the number of
evaluations on test, the history and the checkpoint; each of them is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tbpsbench.engine.resumable import SCORING
from tbpsbench.leaderboard.verify.recompute import TOLERANCE
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.records.changed import was_changed
from tbpsbench.records.identity import is_transfer

WHAT = "selection"
FIX = "Train again with this version and keep the record that it writes; a record is never edited."
VALIDATION = ("val", "val-carved")
LENGTH = "schedule.max_epochs"
FROM_HISTORY = ("epoch", "score", "metric", "split", "queries", "history")


def check_selection(found: Verification) -> None:
    """Check the rule against config, counts, history and scores."""
    record = found.record
    selection, config = record["selection"], record["config"]
    rule = selection["rule"]
    if rule == "given":
        found.skip("how the checkpoint was chosen", "it was given to tools/test.py; its training left no record")
        return
    found.equal(f"{WHAT}.rule", rule, config["evaluation"]["selection"], FIX, "config.evaluation.selection")
    if "test_evaluations" not in selection:
        found.problem(f"{WHAT}.test_evaluations", "is missing", FIX)
        return
    if rule == "last":
        last = config["schedule"]["max_epochs"]
        found.equal(f"{WHAT}.epoch", selection.get("epoch"), last, FIX, "schedule.max_epochs")
        _check_looks(found, selection, 1)
        if selection.get("history"):
            found.problem(f"{WHAT}.history", "a run that takes its last epoch has no scores to choose by", FIX)
    elif _complete(found, selection):
        _check_split(found, selection)
        _check_history(found, selection)
        if rule == "val":
            _check_not_test(found, selection)
    found.checked.append(f"selection ({rule}) against config, counts, history and scores")


def _complete(found: Verification, selection: Mapping[str, Any]) -> bool:
    """Whether everything is there that a run with a history writes."""
    missing = [key for key in FROM_HISTORY if key not in selection]
    for key in missing:
        found.problem(f"{WHAT}.{key}", f"is missing; the rule {selection['rule']!r} needs it", FIX)
    return not missing


def _check_looks(found: Verification, selection: Mapping[str, Any], looked: int) -> None:
    """How often the test split was evaluated; those of an earlier rule, and of an earlier end, count, too."""
    if was_changed(found.record, (*SCORING, LENGTH)):
        looked = max(looked, selection["test_evaluations"])
        found.skip("number of evaluations on test", "the run was changed or continued; the record says so")
    found.equal(
        f"{WHAT}.test_evaluations", selection["test_evaluations"], looked, FIX, f"the rule {selection['rule']!r}"
    )


def _check_split(found: Verification, selection: Mapping[str, Any]) -> None:
    counts, split, rule = found.record["data"]["counts"], selection["split"], selection["rule"]
    allowed = VALIDATION if rule == "val" else ("test",)
    if split not in allowed:
        message = f"the rule is {rule!r}, but the checkpoint was chosen on the split {split!r}"
        found.problem(f"{WHAT}.split", message, FIX)
    _check_looks(found, selection, 1 + (len(selection["history"]) if rule == "test" else 0))
    if is_transfer(found.record):
        found.skip("number of queries that chose the checkpoint", "the record counts the data of the evaluation only")
    elif split in counts:
        captions = counts[split].get("captions")
        found.equal(f"{WHAT}.queries", selection["queries"], captions, FIX, f"data.counts.{split}")
    elif counts:
        found.problem(f"{WHAT}.split", f"the data have no split {split!r}: {', '.join(counts)}", FIX)


def _check_history(found: Verification, selection: Mapping[str, Any]) -> None:
    history, config = selection["history"], found.record["config"]
    found.equal(f"{WHAT}.metric", selection["metric"], config["evaluation"]["metric"], FIX, "config.evaluation.metric")
    last, interval = config["schedule"]["max_epochs"], config["evaluation"].get("interval", 1)
    epochs = [row["epoch"] for row in history]
    if was_changed(found.record, (*SCORING, LENGTH)):
        found.skip("which epochs were validated", "that was changed while training; the record says so")
    elif not _are_due(epochs, last, interval):
        message = f"has the epochs {_few(epochs)}; the config validates every {interval} epochs and after {last}"
        found.problem(f"{WHAT}.history", message, FIX)
    if not history:
        return
    best = max(history, key=lambda row: row["score"])  # the first of equals, as the run takes it
    for key in ("epoch", "score"):
        found.equal(f"{WHAT}.{key}", selection[key], best[key], FIX, "the best row of the history")


def _check_not_test(found: Verification, selection: Mapping[str, Any]) -> None:
    """Whether scores that are called validation scores are those of the test split."""
    protocol, column = _metric_place(found.record, selection["metric"])
    result = found.record["results"].get(protocol)
    if result is None or column not in result["scores"]:
        found.problem(f"{WHAT}.metric", f"no result is called {selection['metric']!r}", FIX)
        return
    # A share of whole queries gives its denominator away; with "expected" ties, or other protocols that ask fewer
    # queries, it does not.
    whole = re.fullmatch(r"R@\d+", column) and found.record["protocol"]["ties"] != "expected"
    if whole and protocol == _first_protocol(found.record) and not found.record["protocol"]["skip_unmatched"]:
        for row in selection["history"]:
            hits = row["score"] / 100 * selection["queries"]
            if abs(hits - round(hits)) > TOLERANCE * selection["queries"]:
                message = f"epoch {row['epoch']}: {row['score']} % is no share of {selection['queries']} queries"
                found.problem(f"{WHAT}.history", message, FIX)
    score = result["scores"][column]
    if not whole and 0 < score < 100 and selection["score"] == score:
        message = f"the chosen epoch has exactly the test split's {column}, {score}: it was chosen on test"
        found.problem(f"{WHAT}.history", message, FIX)


def _metric_place(record: Mapping[str, Any], metric: str) -> tuple[str, str]:
    """(protocol, column) of a selecting metric: the first protocol's columns are bare."""
    protocol, slash, column = metric.rpartition("/")
    return (protocol, column) if slash else (_first_protocol(record), metric)


def _first_protocol(record: Mapping[str, Any]) -> str:
    protocols = record["config"]["evaluation"]["protocols"]
    return str(protocols[0]) if protocols else ""


def _are_due(epochs: list[int], last: int, interval: int) -> bool:
    """Whether these are the multiples of the interval and the last epoch; nothing is made as long as a config says."""
    whole = last // interval
    if len(epochs) != whole + (last % interval > 0):
        return False
    return epochs == [*range(interval, interval * whole + 1, interval), *[last] * (last % interval > 0)]


def _few(epochs: list[int], shown: int = 6) -> str:
    text = ", ".join(map(str, epochs[:shown])) or "none"
    return text + (f", ... ({len(epochs)})" if len(epochs) > shown else "")
