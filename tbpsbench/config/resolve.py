"""Values that only the data knows: `'from_data:num_train_ids'` in a config becomes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import ConfigError

PREFIX = "from_data:"


def fill_from_data(value: Any, facts: Mapping[str, Any], path: str = "") -> Any:
    """Replace every `from_data:NAME` in nested data.

    Raises:
        ConfigError: if the data knows no such fact.
    """
    if isinstance(value, Mapping):
        return {key: fill_from_data(item, facts, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(fill_from_data(item, facts, f"{path}.{index}") for index, item in enumerate(value))
    if isinstance(value, str) and value.startswith(PREFIX):
        name = value.removeprefix(PREFIX)
        if name not in facts:
            near = did_you_mean(name, facts)
            raise ConfigError(f"{path}: the data has no value {name!r}.{near} It has: {', '.join(facts)}")
        return facts[name]
    return value
