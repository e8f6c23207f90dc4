"""Records of numbers that other code made: what they cannot prove, and what they may not claim; and scoring again."""

from __future__ import annotations

from pathlib import Path

from tbpsbench.errors import DataError
from tbpsbench.external.answers import Answers, left_out, within
from tbpsbench.files import sha256_file
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.metrics.result import Evaluation
from tbpsbench.reading import shown
from tbpsbench.records.badges import ANSWERS
from tbpsbench.records.evidence import read_evidence
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.read import RECORD

FIX = "Score the file again with tools/score.py and keep the record that it writes."
LENGTH = "metrics against the length of the lists"
ELSEWHERE = "made by other code, which left no record of it"


def check_external(found: Verification) -> None:
    """Say what is taken on trust, and refuse scores that lists of some images cannot tell."""
    found.skip("the model, its training, and how it was chosen", ELSEWHERE)
    record = found.record
    if record["config"]["model"]["given"] != ANSWERS:
        return
    listed = record["protocol"].get("listed")
    if listed is None:
        found.problem("protocol.listed", "is missing: nothing says how long the lists of answers are", FIX)
        return
    try:
        evidence = read_evidence(found.folder / record["evidence"]["file"], record["results"])
    except DataError:  # said where the scores are computed again
        found.skip(LENGTH, "the ranks cannot be read")
        return
    # A list need not name what a protocol removes. The shortest may be of the query with the smallest gallery.
    if any(listed < int(own.ranks.gallery_size.min()) for own in evidence.values()):
        for metric in record["config"]["evaluation"]["metrics"]:
            if (reduced := within(metric, listed)) != metric:
                message = f"lists of {listed} images do not tell {left_out(metric, reduced)}"
                found.problem("config.evaluation.metrics", message, FIX)
    found.checked.append(LENGTH)


def score_again(found: Verification, file: Path, root: str | None) -> Evaluation:
    """Score the file behind a record as the record says that it was.

    Args:
        found: of the record.
        file: the record's, by its hash; features of distractors lie beside it.
        root: folder of the data set, where it is not the usual one.

    Raises:
        ConfigError, DataError, LeakError: if file or data are not what is needed.
    """
    from tbpsbench.config.load import Config
    from tbpsbench.external.read import read_given
    from tbpsbench.external.score import score
    from tbpsbench.external.task import open_task
    from tbpsbench.leaderboard.verify.data import component_at

    record = found.record
    config = record["config"]
    data = {**config["data"], "dataset": component_at(record, root)}
    values = {"data": data, "evaluation": {**config["evaluation"], "distractors": None}}
    task = open_task(Config(found.folder / RECORD, values), record["spec"]["split"], _distractors(found, file))
    if task.sources.annotations.sha256 != annotations_sha256(record):
        raise DataError(
            f"{task.sources.annotations.path}: not the annotation file of the record. Name its root with --data."
        )
    given = read_given(file, task, normalize=config["model"].get("normalize") is not False)
    found.equal("config.model.given", config["model"]["given"], given.kind, FIX, str(file))
    evaluation, scored = score(given, task)
    if (listed := record["protocol"].get("listed")) is not None:
        told = given.protocol().get("listed")
        # Earlier records count images that a protocol removes, too.
        if not (isinstance(given, Answers) and listed == given.shortest):
            found.equal("protocol.listed", listed, told, FIX, str(file))
        wanted = config["evaluation"]["metrics"]
        found.equal("config.evaluation.metrics", wanted, list(scored.section.metrics), FIX, f"what {file} tells")
    return evaluation


def _distractors(found: Verification, file: Path) -> str | None:
    """The file with the features of distractors: that of the record's name, beside the scored one."""
    named, told = found.record["config"]["evaluation"].get("distractors"), found.record["protocol"].get("distractors")
    if named is None or told is None:
        return None
    path = file.parent / Path(named).name
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file. Put the features of the distractors beside {shown(file)}.")
    found.equal("protocol.distractors", told["sha256"], sha256_file(path), FIX, str(path))
    return str(path)
