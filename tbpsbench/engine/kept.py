"""What a checkpoint can keep: tensors and plain data, which reading takes back without running any code.

Anything else could be written, and the file then not be read: it is refused before the first step, and in every save
before a file is touched.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from tbpsbench.engine.hooks import Hook
from tbpsbench.errors import ConfigError

# Exact types, not what inherits from them: numpy.float64 is a float, and reading it would call NumPy.
PLAIN = (type(None), bool, int, float, complex, str, bytes)
TENSORS = (Tensor, nn.Parameter)
EXPECTED = "a dict of tensors and plain data"
REMEDY = (
    "Save tensors, numbers, texts, and lists and dicts of these: float(x) for a number of NumPy, torch.from_numpy(x) "
    "for an array, list(x) for a deque, an object's attributes as a dict."
)


def require_keepable(hooks: Mapping[str, Hook], model: nn.Module) -> None:
    """Refuse a run before its first step, if no checkpoint could keep its hooks or its model.

    Args:
        hooks: name -> hook.
        model: what is trained.

    Raises:
        ConfigError: naming the hook and the key, or the part of the model.
    """
    for name, hook in hooks.items():
        _require_state(name, hook, first_state(hook))
    require_tensors(model)


def first_state(hook: Hook) -> object:
    """A hook's state before anything was trained; empty where it needs what `before_epoch` makes: saves look again."""
    try:
        return hook.state_dict()
    except Exception:  # a plug-in's may be any
        return {}


def states_of(hooks: Mapping[str, Hook]) -> dict[str, dict[str, Any]]:
    """What every hook wants to have kept.

    Raises:
        ConfigError: naming the hook and the key that a checkpoint could not give back.
    """
    states = {name: hook.state_dict() for name, hook in hooks.items()}
    for name, state in states.items():
        _require_state(name, hooks[name], state)
    return states


def require_tensors(model: nn.Module) -> None:
    """Refuse a model that saves something else than tensors.

    Raises:
        ConfigError: naming the part and the entry.
    """
    parts = dict(model.named_modules())
    for key, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            place, _, entry = key.rpartition(".")
            kind = type(parts.get(place, model)).__name__
            where = f"model.{place}" if place else "model"
            raise ConfigError(
                f"{where}: {kind} saves {kind_of(value)} as {entry!r}, but the weights of a checkpoint are tensors. "
                "Keep it in a buffer (register_buffer), or return a tensor from get_extra_state."
            )


def odd_state(state: object) -> str | None:
    """What is wrong with what a hook's `state_dict` returned, as a sentence; None where nothing is."""
    if type(state) not in (dict, OrderedDict):
        return f"state_dict returned {kind_of(state)}, expected {EXPECTED}"
    odd = next(_odd(state, ()), None)
    if odd is None:
        return None
    place, value = odd
    return f"state_dict holds {kind_of(value)} at {place!r}, which a checkpoint cannot give back, expected {EXPECTED}"


def kind_of(value: object) -> str:
    """A value's type, with its module where it is not Python's own."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _require_state(name: str, hook: Hook, state: object) -> None:
    if odd := odd_state(state):
        raise ConfigError(f"hooks.{name}: {type(hook).__name__}.{odd}. {REMEDY}")


def _odd(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """(place, value) of what the reader of checkpoints would not take back."""
    if isinstance(value, dict) and type(value) in (dict, OrderedDict):
        for key, item in value.items():
            yield from _odd(key, (*path, f"{key}"))
            yield from _odd(item, (*path, f"{key}"))
    elif isinstance(value, list | tuple) and type(value) in (list, tuple):
        for position, item in enumerate(value):
            yield from _odd(item, (*path, str(position)))
    elif type(value) not in (*PLAIN, *TENSORS) and not _reads_back(value):
        yield ".".join(path), value


def _reads_back(value: object) -> bool:
    """Whether the reader takes a value of a rarer type, such as torch.Size."""
    stream = BytesIO()
    try:
        torch.save(value, stream)
        stream.seek(0)
        torch.load(stream, weights_only=True)
    except Exception:  # pickle and torch raise whatever they like
        return False
    return True
