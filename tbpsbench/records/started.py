"""What a record says of the systems that its training started from (`load_from`), and how far it can be believed.

    started_from   name, seed, system_sha256, checkpoint, weights_sha256    which system
                   trained_on, selection, data                              on what, with the hash and the header of
                                                                            every caption file
                   started_from                                             what that one was started from, if anything

Its texts were trained on like any others: badges, and the rules for generated captions, hold for them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench.records.captioned import captioner_problems

STARTED = "started_from"
# Data of a system about whose training nothing is known: weights that others released.
UNKNOWN = "unknown"
# Roles of texts that only an evaluation reads.
NOT_READ = ("gallery",)


def starts(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The systems that a record's training started from, the nearest first."""
    start = record.get(STARTED)
    while isinstance(start, Mapping):
        yield start
        start = start.get(STARTED)


def start_problems(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, what is wrong) of what a record of the right shape says of its start."""
    asked, told = record["config"].get("load_from"), record.get(STARTED)
    if asked is None and told is not None:
        yield STARTED, "tells of a system that training started from; the config has no load_from"
    if asked is not None and told is None:
        yield STARTED, "is missing: the config has load_from, and nothing says what that system was trained on"
    if asked is not None and told is not None:
        system = asked.get("system") if isinstance(asked, Mapping) else None
        if system != told["system_sha256"]:
            yield f"{STARTED}.system_sha256", f"is {told['system_sha256']}, config.load_from.system is {system}"
    place = STARTED
    for start in starts(record):
        sources = {source["role"]: source for source in start["data"]["sources"]}
        if "captions" not in sources and start["trained_on"] != UNKNOWN:
            yield f"{place}.data.sources", "no source has the role 'captions': it does not tell what was trained on"
        for role, source in sources.items():
            for problem in captioner_problems(source):
                yield f"{place}.data.sources.{role}", f"{source['file']} {problem}"
        place = f"{place}.{STARTED}"
