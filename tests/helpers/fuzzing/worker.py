"""What one process does: a slice of time on one target."""

import logging
import os
import shutil
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

from fuzzing.engine import Maker, Tally, kept_inputs, run_one, seeded

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where writing an input down costs least


def targets():
    """Every target by its name."""
    from fuzzing import files, records, scored, texts

    return {target.name: target for part in (texts, records, files, scored) for target in part.TARGETS}


def prepare():
    """Once in every process: no warnings of libraries, in Python or C, between the lines of the table."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def work(name, seconds, share, seed, corpus, replay, current):
    """One slice of one target: what is kept, then what the engine and, for a share of the time, hypothesis draw."""
    from fuzzing.hypothesis_part import run_batch

    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=MEMORY))
    tally, target = Tally(), _noted(targets()[name], Path(current))
    kept, rng = kept_inputs(corpus, name), seeded(seed, name)
    try:
        started, drawn = time.monotonic(), 0.0
        for data in kept if replay else ():
            run_one(target, data, folder, tally)
        maker = Maker(target, kept)
        while (now := time.monotonic()) - started < seconds or not drawn:
            if drawn <= (now - started) * share:
                run_batch(maker, folder, tally, rng.getrandbits(60))
                drawn += time.monotonic() - now
                continue
            for _ in range(50):
                run_one(target, maker.draw(rng), folder, tally)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return name, tally


def _noted(target, current):
    """The target with each input written down first: what is left if it kills the process."""

    def use(data, folder):
        current.write_bytes(data)
        target.use(data, folder)

    return replace(target, use=use)
