"""Captions of MiniPEDES by a simulated model, by name and on first use, so that a suite runs on any machine.

    mtg-wrong10             configs/captions/simulated/mtg.py, of a model that takes 10 % of the factors for others
    mtg-wrong10-missing20   ... and overlooks 20 %; also -invented, -unsaid (percent) and -seed

No model has looked at an image; the file says so, with the rates.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tbpsbench.bundle import PREFIX, locate
from tbpsbench.captions.generate import Outcome
from tbpsbench.captions.run import Plan, make_plan, run
from tbpsbench.captions.settings import CaptionSettings, read_settings
from tbpsbench.config.load import load_config
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.errors import DataError
from tbpsbench.locking import exclusive
from tbpsbench.mllm.meter import Meter

FOLDER = "captions/simulated"
RATES = ("wrong", "missing", "invented", "unsaid")
NAME = re.compile(r"(?P<base>[a-z][a-z_-]*?)(?P<rates>(?:-(?:wrong|missing|invented|unsaid|seed)(?:0|[1-9]\d*))+)")
RATE = re.compile(r"-([a-z]+)(\d+)")


def settings_of(name: str) -> CaptionSettings | None:
    """The config that a name of simulated captions stands for; None for a name that is none.

    Raises:
        DataError: for a rate that is given twice or above 100 %.
    """
    found = NAME.fullmatch(name)
    if found is None:
        return None
    path = locate(f"{PREFIX}{FOLDER}/{found['base']}.py")
    if not path.is_file():
        return None
    given = RATE.findall(found["rates"])
    if len({rate for rate, _ in given}) < len(given) or any(int(n) > 100 for rate, n in given if rate in RATES):
        raise DataError(f"MiniPEDES: {name!r}: give each rate once, in whole percent up to 100")
    options = [f"mllm.{rate}={int(number) / 100 if rate in RATES else int(number)}" for rate, number in given]
    settings = read_settings(load_config(path, options))
    return replace(settings, source={**settings.source, "name": name}, cache=False)


def make_simulated(dataset: PersonSearchDataset, name: str) -> Path | None:
    """Write ROOT/NAME.jsonl if the name is one of simulated captions.

    Args:
        dataset: a MiniPEDES.
        name: of the caption file.

    Returns:
        The file; None for another name.

    Raises:
        DataError: if the name makes no sense, or an image could not be captioned.
        StorageError: if the file cannot be written.
    """
    settings = settings_of(name)
    if settings is None:
        return None
    path = dataset.root / f"{name}.jsonl"
    dataset.load()
    with exclusive(dataset.root / ".build.lock"):
        if path.is_file():
            return path
        folder = Path(tempfile.mkdtemp(prefix="tbpsbench-captions-"))
        try:
            plan = make_plan(replace(settings, out=str(folder)), dataset)
            # A notebook has an event loop of its own, beside which there is no second one in a thread.
            with ThreadPoolExecutor(1) as thread:
                outcome = thread.submit(asyncio.run, _made(plan)).result()
            if outcome.stopped is not None:
                raise outcome.stopped
            return plan.publish()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def _made(plan: Plan) -> Outcome:
    return await run(plan, Meter())
