"""The only file that knows quirks of mmengine and torch versions."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.runner import Runner
from torch.utils.flop_counter import FlopCounterMode

NOISE = (
    "Exp name:",
    "Hooks will be executed",
    "Dataset TrainSet has no metainfo",
    "Checkpoints will be saved to",
    "Distributed training is not used",
    "Resumed iteration number is not divisible",  # gradients are accumulated within an epoch, nothing is lost
)


class QuietRunner(Runner):
    """mmengine's Runner without its pages about environment, config and hooks: run card and config.py hold them."""

    def _log_env(self, env_cfg: Mapping[str, Any]) -> None:  # noqa: ARG002
        self.logger.addFilter(_told_elsewhere)

    def dump_config(self) -> None:
        """Nothing: config.py in the run's folder is written before anything else."""


def _told_elsewhere(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(NOISE)


@contextmanager
def quiet_mmengine() -> Iterator[None]:
    """Silence what mmengine 0.10.7 says about newer versions of torch and nobody can act on."""
    with warnings.catch_warnings():
        for module in ("mmengine", "torch"):
            warnings.filterwarnings("ignore", category=FutureWarning, module=rf"{module}\b")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=rf"{module}\b")
        yield


@contextmanager
def counted_flops() -> Iterator[FlopCounterMode]:
    """Count the operations of the block: `.get_total_flops()` of what is yielded.

    torch's fused inference path of nn.MultiheadAttention and nn.TransformerEncoderLayer is off meanwhile: it is one
    operation that the counter does not know, so that such layers would count as nothing.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
