"""Check a record: does every number follow from the stored ranks, and does the rest agree with itself and with the
files that are here (protocol.md section 5)?

What no check of this kind can see: ranks that never came from the checkpoint. `verify/rescore.py` evaluates it
again; without that the report says that the ranks themselves were taken on trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tbpsbench import registry
from tbpsbench.config.flat import fingerprint
from tbpsbench.errors import DataError, RegistryError, TBPSError
from tbpsbench.files import sha256_file
from tbpsbench.leaderboard.verify.checkpoint import check_checkpoint
from tbpsbench.leaderboard.verify.data import check_data, check_named_data
from tbpsbench.leaderboard.verify.external import check_external
from tbpsbench.leaderboard.verify.recompute import disagreements, per_query, recomputed
from tbpsbench.leaderboard.verify.release import check_release
from tbpsbench.leaderboard.verify.report import UNSCORED, Verification
from tbpsbench.leaderboard.verify.selection import check_selection
from tbpsbench.metrics.tracks import track_of
from tbpsbench.protocols.base import (
    ABLATIONS,
    BEFORE,
    BEFORE_INTERACTION,
    IMAGE_TO_TEXT,
    ablation,
    protocol_name,
)
from tbpsbench.records.badges import is_external, shows_two_towers
from tbpsbench.records.changed import change_problems
from tbpsbench.records.evidence import DAMAGED, EDITED, MAX_FILE, Evidence, read_evidence
from tbpsbench.records.identity import system_sha256
from tbpsbench.records.read import RECORD, read_record
from tbpsbench.records.schema import Finding, schema_problems
from tbpsbench.records.started import STARTED, start_problems

NEAR = 1e-6  # between numbers that are said twice, in percent

__all__ = ["Finding", "Verification", "verify"]

SCORES, COUNTS = "scores and intervals", "counts"


def verify(
    folder: str | Path,
    *,
    checkpoint: Path | None = None,
    data: str | Path | Literal["auto"] | None = "auto",
    rebuild: bool = False,
    strict: bool = True,
) -> Verification:
    """Verify one record.

    Args:
        folder: holds record.json and ranks.npz.
        checkpoint: the evaluated file; by default the one that the run left beside the record, if any.
        data: root of the data set; "auto" takes the record's own where it exists, None checks no files.
        rebuild: draw MiniPEDES again from its seed instead of reading a file.
        strict: whether a named root must be the record's; otherwise its files are left unchecked.

    Raises:
        CheckpointError, DataError: if a checkpoint or data root was named and cannot be read.
    """
    found = Verification(Path(folder))
    try:
        found.record = read_record(found.folder)
    except DataError as error:
        found.problem(RECORD, str(error), DAMAGED)
        return found
    problems = schema_problems(found.record)
    found.checked.append("schema: every key and its type")
    if problems:
        found.problems += problems
        found.skip("everything else", "the record is not well-formed")
        return found
    _check_hashes(found)
    _check_protocol(found)
    _check_start(found)
    evidence = _check_evidence(found)
    check_named_data(found)
    check_release(found)
    if is_external(found.record):
        check_external(found)
    else:
        check_selection(found)
    found.skip("scores of single heads, cost and environment", "they do not follow from the ranks")
    check_checkpoint(found, checkpoint)
    check_data(found, evidence, data, rebuild=rebuild, strict=strict)
    found.skip(UNSCORED, "it was not evaluated again (verify --rescore does)")
    return found


def _check_hashes(found: Verification) -> None:
    record, config = found.record, found.record["config"]
    found.equal("config_sha256", record["config_sha256"], fingerprint(config), EDITED, "the config")
    found.equal("system_sha256", record["system_sha256"], system_sha256(config), EDITED, "the config")
    found.equal("seed", record["seed"], config["seed"], EDITED, "the config")
    path = found.folder / record["evidence"]["file"]
    if path.is_file() and path.stat().st_size <= MAX_FILE:  # a larger one is refused unread
        found.equal("evidence.sha256", record["evidence"]["sha256"], sha256_file(path), EDITED, path.name)
    found.checked.append("hashes of config, system and ranks.npz")


def _check_protocol(found: Verification) -> None:
    """Track, ties and leaks against the config."""
    record = found.record
    section, protocol = record["config"]["evaluation"], record["protocol"]
    found.equal("protocol.ties", protocol["ties"], section["ties"], EDITED, "the config")
    for key, value in (("skip_unmatched", bool(section.get("skip_unmatched"))), ("image_size", _size(record))):
        found.equal(f"protocol.{key}", protocol[key], value, EDITED, "the config")
    talked = record.get("interaction")
    found.equal(
        "interaction", (talked or {}).get("component"), section.get("interactor"), EDITED, "evaluation.interactor"
    )
    if talked:
        _check_interaction(found, talked)
    else:
        plain = "gallery-text" if section.get("gallery_texts") else "dual-encoder"
        reranked = section.get("rerank") or not shows_two_towers(record)
        source = "what was given" if is_external(record) else "evaluation.gallery_texts and evaluation.rerank"
        found.equal("track", record["track"], "rerank" if reranked else plain, EDITED, source)
    components = [one["component"] for one in record.get("rerank", ())]
    found.equal("rerank", components, list(section.get("rerank") or ()), EDITED, "evaluation.rerank")
    for one in record.get("rerank", ()):
        kind = one["component"]["type"]
        if kind not in registry.RERANKERS.names():
            found.skip(f"whether {kind} is transductive", "no re-ranker of that name is installed")
            continue
        try:
            transductive = registry.RERANKERS.build(one["component"], "evaluation.rerank").transductive
        except TBPSError as error:
            found.problem(f"rerank: {kind}", str(error), EDITED)
            continue
        found.equal(f"rerank: {kind}", one["transductive"], transductive, EDITED, "the class of that name")
    if record["leaks"] and not section.get("allow_leak"):
        message = f"the record lists {len(record['leaks'])} leaks, but the config allows none"
        found.problem("leaks", message, EDITED)
    asked = {*section["protocols"]}
    if section.get("rerank"):
        asked |= {f"{name}{BEFORE}" for name in section["protocols"]}
    if talked:
        asked |= {f"{name}{BEFORE_INTERACTION}" for name in talked["protocols"]}
        asked |= {name for name in record["results"] if any(name.endswith(ablation(one)) for one in ABLATIONS)}
    if section.get("both_directions"):
        known = [name for name in section["protocols"] if name in registry.PROTOCOLS.names()]
        asked |= {f"{name}{IMAGE_TO_TEXT}" for name in known if registry.PROTOCOLS.get(name).reversible}
    found.equal("results", sorted(record["results"]), sorted(asked), EDITED, "evaluation.protocols")
    found.checked.append("track, ties, protocols and allowed leaks against the config")


def _check_start(found: Verification) -> None:
    """The system that training started from, and changes of the config on the way."""
    for place, message in (*start_problems(found.record), *change_problems(found.record)):
        found.problem(place, message, EDITED)
    if STARTED in found.record:
        found.checked.append("what is said of the system that training started from")
        what = "the leak guard for the texts of the system that training started from"
        found.skip(what, "only its checkpoint holds them (verify --rescore asks it)")


def _check_interaction(found: Verification, talked: Mapping[str, Any]) -> None:
    """The track against who answered, and what is said twice in a record."""
    record = found.record
    expected = track_of(answerer=talked["answerer"])
    found.equal("track", record["track"], expected, EDITED, "interaction.answerer")
    for name, report in talked["protocols"].items():
        if name not in record["results"] or f"{name}{BEFORE_INTERACTION}" not in record["results"]:
            found.problem(f"interaction.protocols.{name}", "there are no results before and after it", EDITED)
            continue
        after, before = (record["results"][key]["scores"] for key in (name, f"{name}{BEFORE_INTERACTION}"))
        gain = report["flips"]["gain_R@1"]
        if "R@1" in after and abs(after["R@1"] - before["R@1"] - gain) > NEAR:
            message = f"is {gain:.2f}, but R@1 went from {before['R@1']:.2f} to {after['R@1']:.2f}"
            found.problem(f"interaction.protocols.{name}.flips.gain_R@1", message, EDITED)
    found.skip("anchors, rounds and budgets of the interaction", "they do not follow from the ranks alone")


def _providers(record: Mapping[str, Any]) -> str:
    """Which plug-ins may know what this installation does not."""
    used = [f"{plugin['name']} {plugin['version']}" for plugin in record["plugins"] if plugin["used"]]
    return f"Plug-ins that the record used: {', '.join(used) or 'none, so that it cannot be of one'}"


def _size(record: Mapping[str, Any]) -> list[int] | None:
    return None if is_external(record) else list(record["config"]["data"]["size"])


def _check_evidence(found: Verification) -> dict[str, Evidence]:
    """Every number of `results` from the ranks."""
    record = found.record
    try:
        evidence = read_evidence(found.folder / record["evidence"]["file"], record["results"])
    except DataError as error:
        found.problem(record["evidence"]["file"], str(error), DAMAGED)
        found.doubt("every number of the results", "the ranks cannot be read")
        return {}
    found.equal("ranks.npz", sorted(evidence), sorted(record["results"]), EDITED, "results")
    for protocol in sorted({*evidence} & {*record["results"]}):
        own, result = evidence[protocol], record["results"][protocol]
        found.equal(f"{protocol}: ties", own.ranks.ties_rule, record["protocol"]["ties"], EDITED, "protocol.ties")
        _check_counts(found, protocol, own, result)
        try:
            values = per_query(own, record["config"])
        except RegistryError as error:
            found.doubt(f"{SCORES} of {protocol!r}", f"a metric cannot be built: {error}")
            continue
        for key, message in disagreements(result, recomputed(own, values)):
            found.problem(f"results.{protocol}.{key}", message, EDITED)
        found.checked.append(f"scores, intervals, counts and ties of {protocol!r} from the ranks")
    return evidence


def _check_counts(found: Verification, name: str, own: Evidence, result: Mapping[str, Any]) -> None:
    """Counts of queries and gallery against those of the data, and of the matches against each other."""
    record, what = found.record, f"results.{name}"
    counts, split, ranks = record["data"]["counts"], record["spec"]["split"], own.ranks
    try:
        protocol = registry.PROTOCOLS.build({"type": protocol_name(name)}, what)
    except RegistryError as error:
        found.doubt(f"{COUNTS} of {name!r}", f"{error}\n{_providers(record)}")
        return
    if len(ranks.skipped) and not (record["protocol"]["skip_unmatched"] or protocol.skips_unmatched):
        found.problem(f"{what}.skipped_queries", "queries were skipped, but the config skips none", EDITED)
    if protocol.whole_gallery:
        found.equal(f"{what}.gallery", [result["gallery"]], np.unique(ranks.gallery_size).tolist(), EDITED, "ranks.npz")
        matches = {(int(pid), int(n)) for pid, n in zip(own.query_pids, ranks.positives, strict=True)}
        if len(matches) > result["identities"] or sum(n for _, n in matches) > result["gallery"]:
            found.problem(f"{what}.gallery", "the numbers of matches of its queries contradict each other", EDITED)
    if split not in counts:
        found.skip(f"queries and gallery of {name} against the data", f"data.counts has no {split!r}")
        return
    images, captions = protocol.gallery_size(counts, split), counts[split]["captions"]
    if protocol.distractors:
        images += record["protocol"].get("distractors", {}).get("images", 0)
    asked, gallery = (images, captions) if name.endswith(IMAGE_TO_TEXT) else (captions, images)
    source = f"data.counts.{split}"
    found.equal(f"{what}.gallery", result["gallery"], gallery, EDITED, source)
    if not protocol.asks_everybody:
        if result["queries"] + result["skipped_queries"] > asked:
            found.problem(f"{what}.queries", f"are more than the {asked} captions of {source}", EDITED)
        return
    found.equal(f"{what}.queries", result["queries"] + result["skipped_queries"], asked, EDITED, source)
    if not result["skipped_queries"]:
        found.equal(f"{what}.identities", result["identities"], counts[split]["ids"], EDITED, source)
