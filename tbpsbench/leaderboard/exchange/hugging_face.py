"""Records as Hugging Face's evaluation results: `.eval_results/*.yaml` in a model's repository.

A file holds entries of one value each; of ours that is R@1, percent, one for each protocol of a record. A board shows
one entry for each data set, task and file, so a track of its own is a file of its own, and says so in its notes
(hub-docs, docs/hub/eval-results.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tbpsbench.errors import ConfigError
from tbpsbench.metrics.tracks import Track
from tbpsbench.protocols.base import IMAGE_TO_TEXT, protocol_name
from tbpsbench.records.badges import badges_of
from tbpsbench.records.names import slug
from tbpsbench.records.read import data_name

FOLDER = ".eval_results"
SCORE = "R@1"
USUAL: Track = "dual-encoder"
MAX_SHOWN = 4


def files(records: Sequence[Mapping[str, Any]], dataset: str, url: str | None) -> dict[str, bytes]:
    """Name of a file -> its content.

    Args:
        records: of one checkpoint.
        dataset: id of the data set's repository, OWNER/NAME; it need not hold the data.
        url: where the records lie.

    Raises:
        ConfigError: if they are of several checkpoints, data sets or settings of one track: a model's repository holds
            one model, and a board one value for each task.
    """
    checkpoints = {record["checkpoint"].get("sha256") for record in records}
    if len(checkpoints) > 1:
        names = sorted({f"{record['name']} (seed {record['seed']})" for record in records})
        more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        raise ConfigError(
            f"records of {len(checkpoints)} checkpoints: {', '.join(names[:MAX_SHOWN])}{more}. A model's repository "
            "holds one: name the folder of its record."
        )
    if len(shown := {data_name(record) for record in records}) > 1:
        raise ConfigError(f"records on {', '.join(sorted(shown))}: --dataset names one data set. Export one at a time.")
    found: dict[str, bytes] = {}
    for record in records:
        name = f"{FOLDER}/{'_'.join([slug(data_name(record)), *_other_track(record)])}.yaml"
        if name in found:
            raise ConfigError(f"several records of the track {record['track']}: name the one record that counts")
        found[name] = _yaml(record, dataset, url)
    return found


def _yaml(record: Mapping[str, Any], dataset: str, url: str | None) -> bytes:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    told = ", ".join([*(f"track {track}" for track in _other_track(record)), *badges_of(record)])
    entries = [
        EvalResultEntry(
            dataset_id=dataset,
            task_id=slug(name),
            value=round(result["scores"][SCORE], 2),
            date=record["date"][:10],
            source_url=url,
            source_name=None if url is None else "record of tbpsbench, with the rank of every query",
            notes=told or None,
        )
        for name, result in record["results"].items()
        # What was measured beside a result to explain it is no result of the protocol.
        if SCORE in result["scores"] and name.removesuffix(IMAGE_TO_TEXT) == protocol_name(name)
    ]
    if not entries:
        raise ConfigError(f"{record['name']}: no protocol of this record has {SCORE}")
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)).encode()


def _other_track(record: Mapping[str, Any]) -> list[str]:
    """The track, where it is not the usual one."""
    return [] if record["track"] == USUAL else [record["track"]]
