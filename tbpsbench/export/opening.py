"""The system to export, and data to compare it on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tbpsbench.engine.trained import Trained, known_texts, open_trained
from tbpsbench.errors import DataError
from tbpsbench.metrics.leaks import TrainingTexts

PICTURES_ALONE = "evaluation.gallery_texts=None"
EMBEDDED = ("data.dataset={'type': 'MiniPEDES'}", "data.captions='human'")


def open_for_export(
    checkpoint: Path, config: str | None, options: Sequence[str]
) -> tuple[Trained, TrainingTexts | None, list[str]]:
    """A system with the data that it was trained on, or those that a config names.

    Where nothing is named and its own data are not on this machine, MiniPEDES takes their place: any pictures and
    captions show whether two programs embed alike.

    Args:
        checkpoint, config, options: see `open_trained`.

    Returns:
        System and data, what the leak guard must know, and what a user should know.

    Raises:
        CheckpointError, ConfigError, DataError: as `open_trained`.
    """
    try:
        trained, note = open_trained(checkpoint, config, [PICTURES_ALONE, *options]), []
    except DataError as error:
        if config is not None or options:
            raise
        trained = open_trained(checkpoint, None, [PICTURES_ALONE, *EMBEDDED])
        note = [f"its own data cannot be read here, MiniPEDES takes their place ({str(error).splitlines()[0]})"]
    return trained, known_texts(trained.system, trained.data), note
