"""What a `config.json` beside weights says of the architecture that they were trained in.

Numbers of heads and activations show in no weight's shape: weights fit, and the outputs are others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.reading import read_json, shown

CONFIG = "config.json"
SAME = {"gelu_python": "gelu"}  # computed otherwise, with the same result


def require_same(weights: str | Path, built: Mapping[str, Any]) -> None:
    """Refuse weights whose config.json (Hugging Face's form) contradicts the model that is to take them.

    Args:
        weights: the weight file.
        built: key of the file -> the value of the model; what the file does not say is not compared.

    Raises:
        CheckpointError: naming the first key that differs.
    """
    path = Path(weights).parent / CONFIG
    if not path.is_file():
        return
    try:
        said = read_json(path)
    except DataError:
        return  # whatever it is, nothing is known from it
    for key, value in built.items() if isinstance(said, Mapping) else ():
        told = said.get(key)
        told = SAME.get(told, told) if isinstance(told, str) else told
        if told is not None and told != value:
            raise CheckpointError(
                f"{shown(path)}: its weights were trained with {key} {said[key]!r}, this model has {value!r}. "
                "They would fit and give other outputs. Name the architecture that they were trained in."
            )
