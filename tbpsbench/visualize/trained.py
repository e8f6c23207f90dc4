"""The run behind a checkpoint, ready to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tbpsbench.config.check import require_valid
from tbpsbench.config.load import load_config
from tbpsbench.engine.checkpoint import load_model
from tbpsbench.engine.train import Run, build_run
from tbpsbench.engine.workdir import CARD
from tbpsbench.files import read_json
from tbpsbench.model.person_search import PersonSearchModel


def trained_run(
    config: str | Path,
    options: Sequence[str],
    checkpoint: Path,
    require: Callable[[PersonSearchModel], None] = lambda _: None,
) -> Run:
    """Data and model of a config with the weights of a checkpoint, in evaluation mode.

    Its name is the one on the run's card beside the checkpoint, if there is one: a run keeps its config as config.py.

    Args:
        config: path of the config.
        options: overrides, KEY=VALUE.
        checkpoint: the weights.
        require: refuses a model that lacks what shall be drawn, before a checkpoint of another kind is refused for its
            keys.

    Raises:
        ConfigError, DataError, CheckpointError: whatever is wrong with config, data or weights.
    """
    loaded = load_config(config, options)
    require_valid(loaded)
    run = build_run(loaded)
    require(run.model)
    load_model(run.model, checkpoint)
    run.model.eval()
    card = Path(checkpoint).parent / CARD
    if card.is_file():
        run.name = read_json(card).get("name", run.name)
    return run
