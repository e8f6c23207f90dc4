"""Weights into modules, never partial in silence: every key on both sides is accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor, nn

from tbpsbench.errors import CheckpointError

MAX_KEYS_SHOWN = 12


@dataclass(frozen=True)
class LoadReport:
    """What became of every key.

    Attributes:
        source: the file or name that the weights came from.
        loaded: keys copied into the module.
        missing: keys of the module that the source lacks.
        unexpected: keys of the source that the module lacks.
        mismatched: (key, shape in the source, shape in the module).
        ignored: keys left out because a pattern said so: unused heads on one side, buffers on the other.
    """

    source: str
    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every key found its counterpart or was left out by name."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        shapes = [
            f"{key}: {list(theirs)} in the file, {list(ours)} in the model" for key, theirs, ours in self.mismatched
        ]
        lines = [f"{self.source}: {len(self.loaded)} tensors loaded, {len(self.ignored)} left out by name"]
        for title, keys in (
            ("missing in the file", self.missing),
            ("unknown to the model", self.unexpected),
            ("of another shape", shapes),
        ):
            if keys:
                lines.append(f"  {len(keys)} {title}:")
                lines += [f"    {key}" for key in keys[:MAX_KEYS_SHOWN]]
                lines += [f"    ... and {len(keys) - MAX_KEYS_SHOWN} more"] * (len(keys) > MAX_KEYS_SHOWN)
        return "\n".join(lines)


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    allow_missing: Iterable[str] = (),
    allow_unexpected: Iterable[str] = (),
    partial: bool = False,
) -> LoadReport:
    """Copy tensors into the parameters and buffers of the same name, cast to the module's dtype.

    Args:
        module: changed in place; untouched if this raises.
        state: names as in `module.state_dict()`.
        source: what to call the weights in messages.
        allow_missing: patterns (`*` as in a shell) of module keys that need not be in `state`.
        allow_unexpected: patterns of keys in `state` that the module legitimately does not use.
        partial: load what fits and let the caller look at the report.

    Raises:
        CheckpointError: if any key has no counterpart or another shape, unless `partial`; lists all of them. Also if
            nothing fits at all, `partial` or not.
    """
    own = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    shared = [key for key in own if key in state]
    fits = [key for key in shared if own[key].shape == state[key].shape]
    absent = [key for key in own if key not in state]
    extra = [key for key in state if key not in own]
    report = LoadReport(
        source,
        loaded=tuple(fits),
        missing=tuple(key for key in absent if not matches_any(key, allow_missing)),
        unexpected=tuple(key for key in extra if not matches_any(key, allow_unexpected)),
        mismatched=tuple(
            (key, tuple(state[key].shape), tuple(own[key].shape))
            for key in shared
            if own[key].shape != state[key].shape
        ),
        ignored=tuple(
            [key for key in absent if matches_any(key, allow_missing)]
            + [key for key in extra if matches_any(key, allow_unexpected)]
        ),
    )
    if not fits and own:
        raise CheckpointError(f"{report}\nNo tensor fits: these are weights of another kind of model.")
    if not (report.complete or partial):
        raise CheckpointError(
            f"{report}\nNothing was loaded. Use weights made for this architecture, or correct the config."
        )
    module.load_state_dict({key: state[key] for key in fits}, strict=False)
    return report


def matches_any(key: str, patterns: Iterable[str]) -> bool:
    """Whether one of the shell patterns describes the whole key."""
    return any(fnmatchcase(key, pattern) for pattern in patterns)
