"""What a reviewer would object to in one record, from its JSON alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tbpsbench.leaderboard.render.rows import COSTS
from tbpsbench.protocols.base import ABLATIONS, ablation
from tbpsbench.reading import shown
from tbpsbench.records.badges import EXTERNAL, is_external, shows_two_towers, simulated, simulated_captions

Severity = Literal["serious", "question", "remark"]
SEVERITIES: tuple[Severity, ...] = ("serious", "question", "remark")
# Shares of the queries in which a match ties with a non-match: float32 cosines of a working model hardly ever do.
SOME_TIES, COLLAPSED = 0.01, 0.2
WIDE_POINTS = 10.0
FEW_QUERIES = 200


@dataclass(frozen=True)
class Objection:
    """One thing that a reviewer would object to.

    Attributes:
        severity: "serious" (the number should not be compared), "question" (the reviewer will ask), "remark".
        what: the subject, e.g. "selection".
        message: the objection.
        fix: what to do about it.
        records: folders of the records concerned.
    """

    severity: Severity
    what: str
    message: str
    fix: str
    records: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity:<8}  {shown(f'{self.what}: {self.message}')}\n{'':10}{self.fix}"


def record_objections(record: Mapping[str, Any]) -> Iterator[Objection]:
    """Objections to a record; it must have the shape of one (schema.py)."""
    yield from _external(record) if is_external(record) else _selection(record)
    yield from _code(record)
    yield from _data(record)
    yield from _evaluation(record)
    if not is_external(record):
        yield from _runtime(record)


def _external(record: Mapping[str, Any]) -> Iterator[Objection]:
    message = "made by other code: the ranks can be checked, the model, its training and its selection cannot"
    yield Objection("question", EXTERNAL, message, "Publish code, weights and how the checkpoint was chosen.")
    if not shows_two_towers(record):
        message = f"{record['config']['model']['given']} do not show whether pairs, or other queries, were looked at"
        yield Objection("question", EXTERNAL, message, "Score the features instead, or say how they were made.")
    if record["spec"].get("trained_on") == "unknown":
        message = "nothing says what the model was trained on"
        yield Objection("question", EXTERNAL, message, "Name the data with tools/score.py --trained-on.")


def _selection(record: Mapping[str, Any]) -> Iterator[Objection]:
    what, selection = "selection", record["selection"]
    rule = selection["rule"]
    if rule == "test":
        fix = "Train with evaluation.selection='val' or 'last'."
        yield Objection("serious", what, "the checkpoint was chosen on the test split", fix)
    elif rule == "given":
        fix = "Let tools/train.py write the record, or publish how the checkpoint was chosen."
        yield Objection("question", what, "the checkpoint was given by hand; nothing says how it was chosen", fix)
        if selection.get("complete") is False:
            fix = "Convert it again, without --partial."
            yield Objection("serious", "checkpoint", "it does not fit the model: weights were missing or unknown", fix)
    elif selection.get("test_evaluations", 1) > 1:
        message = f"the test split was evaluated {selection['test_evaluations']} times"
        yield Objection("serious", what, message, "Evaluate on test once, at the end.")
    history = selection.get("history") or []
    if rule == "val":
        if selection.get("queries", FEW_QUERIES) < FEW_QUERIES:
            message = f"the checkpoint was chosen by {selection['queries']} queries: close epochs differ by chance"
            yield Objection("remark", what, message, "Choose by mAP, which is less coarse than R@1, or take more data.")
        if len(history) > 1 and selection.get("epoch") == history[-1]["epoch"]:
            message = "the best epoch is the last: training may not have converged"
            yield Objection("remark", what, message, "Train longer, or say that the budget was fixed.")
        if (score := selection.get("score")) in _first(record).values() and score not in (0, 100):
            message = f"the validation score is exactly a test score ({score})"
            yield Objection("question", what, message, "Verify the record with its checkpoint (--checkpoint).")


def _first(record: Mapping[str, Any]) -> Mapping[str, float]:
    """Scores of the first protocol."""
    protocol = record["config"]["evaluation"]["protocols"][0]
    scores: Mapping[str, float] = record["results"].get(protocol, {}).get("scores", {})
    return scores


def _code(record: Mapping[str, Any]) -> Iterator[Objection]:
    code = record["code"]
    if not code["commit"]:
        message = "no commit is known: nothing says which code produced this"
        yield Objection("question", "code", message, "Run from a git checkout.")
    elif code["dirty"]:
        message = "the code had uncommitted changes"
        yield Objection("question", "code", message, "Commit them and run again.")
    for plugin in record["plugins"]:
        what = f"plug-in {plugin['name']}"
        if plugin["error"]:
            severity: Severity = "serious" if plugin["used"] else "remark"
            yield Objection(severity, what, f"failed to load: {plugin['error']}", "Fix or uninstall it.")
        if plugin["used"] and plugin["version"] in ("", "unknown"):
            yield Objection("question", what, "its version is unknown", "Install it as a package with a version.")


def _data(record: Mapping[str, Any]) -> Iterator[Objection]:
    data, spec = record["data"], record["spec"]
    if data["partial"]:
        message = "the data are incomplete: their counts differ from the official release"
        yield Objection("serious", "data", message, "Get the complete release and prepare it without --allow-partial.")
    if not data["counts"]:
        message = "identities, images and captions were not counted"
        yield Objection("question", "data", message, "Create the annotation file again with tools/prepare_data.py.")
    if simulated(record):
        message = "descriptions come from a simulation, not from a person or a model"
        yield Objection("question", "data", message, "Say so next to every number, or use real descriptions.")
    if simulated_captions(record):
        message = "the training captions come from a simulation, not from a person or a model"
        yield Objection("question", "data", message, "Say so next to every number, or caption with a real model.")
    for source in data["sources"]:
        if source["role"] != "captions" and not source["made_from"]:
            message = f"nothing says what the texts of {source['file']} ({source['role']}) were made from"
            yield Objection("question", "data", message, "Create them with tools/caption.py, which writes provenance.")
    if data["dataset"] == "MiniPEDES":
        message = "MiniPEDES consists of drawn figures: its numbers say nothing about photographs"
        yield Objection("remark", "data", message, "Present them as a check of the method, next to a real data set.")
    if spec["split"] != "test":
        message = f"the numbers are of the split {spec['split']!r}"
        yield Objection("question", "data", message, "Evaluate on test for a table.")
    if spec.get("trained_on", spec["data"]) not in (spec["data"], "unknown" if is_external(record) else None):
        message = f"trained on {spec['trained_on']}, evaluated on {spec['data']}"
        yield Objection("remark", "data", message, "Keep transfer apart from results on the training data's own test.")


def _evaluation(record: Mapping[str, Any]) -> Iterator[Objection]:
    if talked := record.get("interaction"):
        if talked["simulated"]:
            message = "judge and answerer were simulated: nobody looked at the pictures"
            yield Objection("question", "interaction", message, "Say so, with the error rates, next to every number.")
        judged = talked["answerer"] == "anchor"
        if judged and not any(name.endswith(ablation(ABLATIONS[0])) for name in record["results"]):
            message = "nothing says what the judge alone gives, whose gain may be taken for the dialogue's"
            yield Objection("question", "interaction", message, "Evaluate with the ablations (docs/interaction.md).")
    if record["leaks"]:
        message = f"the evaluation had access to what it must not know: {record['leaks'][0]}"
        yield Objection("serious", "leak guard", message, "Evaluate without --allow-leak.")
    if (rule := record["protocol"]["ties"]) != "pessimistic":
        severity: Severity = "serious" if rule == "optimistic" else "question"
        yield Objection(severity, "ties", f"ordered by the rule {rule!r}", "Evaluate with ties='pessimistic'.")
    for name, result in record["results"].items():
        share = result["tied_queries"] / max(1, result["queries"])
        # What an answer file does not list is tied by its nature, and what that moves was left out.
        if "listed" not in record["protocol"] and share > SOME_TIES:
            collapsed = share > COLLAPSED
            message = f"{100 * share:.0f} % of the queries of {name} have ties" + (": features collapsed" * collapsed)
            yield Objection("serious" if collapsed else "question", "ties", message, "Look at the embeddings.")
        if result["skipped_queries"] and name != "without-captioned-image":
            message = f"{result['skipped_queries']} queries of {name} have no match and were left out"
            yield Objection("question", "queries", message, "Say so next to the number, or fix the data.")
        low, high = result["intervals_95"].get("R@1", (0.0, 0.0))
        if high - low > WIDE_POINTS:
            message = (
                f"the 95 % interval of {name} R@1 is {high - low:.0f} points wide ({result['identities']} identities)"
            )
            yield Objection("remark", "precision", message, "Print intervals; compare with `compare`, which is paired.")


def _runtime(record: Mapping[str, Any]) -> Iterator[Objection]:
    runtime = record["config"]["runtime"]
    if runtime.get("deterministic") is False:
        message = "runtime.deterministic is off: the run cannot be repeated bit for bit"
        yield Objection("question", "runtime", message, "Train with runtime.deterministic=True.")
    if runtime.get("amp"):
        message = f"trained in {runtime['amp']}: can be repeated only on the same kind of device"
        yield Objection("remark", "runtime", message, "Name the device (environment.device) next to the number.")
    cost = record["cost"]
    known = {f"peak_memory_{place}" for place in cost.get("peak_memory_bytes") or {}}
    known |= {key for key, value in cost.items() if value is not None}
    wanted = [key for key in COSTS if key != "peak_memory_gpu" and (key != "train_s" or not _given(record))]
    if missing := [COSTS[key][0] for key in wanted if key not in known and not (key == "energy_j" and _given(record))]:
        message = f"unknown: {', '.join(missing)}"
        yield Objection("remark", "cost", message, "Leave the cells empty; energy needs a machine with a meter.")


def _given(record: Mapping[str, Any]) -> bool:
    return bool(record["selection"]["rule"] == "given")
