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
        assumed: sentences on what the weights do not say themselves.
    """

    source: str
    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    ignored: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

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
        return "\n".join([*lines, *(f"  {sentence}" for sentence in self.assumed)])


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    allow_missing: Iterable[str] = (),
    allow_unexpected: Iterable[str] = (),
    partial: bool = False,
    assumed: tuple[str, ...] = (),
) -> LoadReport:
    """Copy tensors into the parameters and buffers of the same name, cast to the module's dtype.

    Args:
        module: changed in place; untouched if this raises.
        state: names as in `module.state_dict()`.
        source: what to call the weights in messages.
        allow_missing: patterns (`*` as in a shell) of module keys that need not be in `state`.
        allow_unexpected: patterns of keys in `state` that the module legitimately does not use.
        partial: load what fits and let the caller look at the report.
        assumed: goes into the report.

    Raises:
        CheckpointError: if any key has no counterpart or another shape, unless `partial`; lists all of them. Also if
            nothing fits at all, or a parameter would become whole numbers or not finite, `partial` or not.
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
        assumed=assumed,
    )
    if not fits and own:
        raise CheckpointError(f"{report}\nNo tensor fits: these are weights of another kind of model.")
    if not (report.complete or partial):
        raise CheckpointError(
            f"{report}\nNothing was loaded. Use weights made for this architecture, or correct the config."
        )
    learnt = {
        key for key, parameter in module.named_parameters(remove_duplicate=False) if parameter.is_floating_point()
    }
    _require_weights({key: state[key] for key in fits if key in learnt}, source)
    module.load_state_dict({key: state[key] for key in fits}, strict=False)
    return report


def _require_weights(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse what no parameter is trained to; buffers may hold anything."""
    for key, value in state.items():
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{source}: the weights {key} are {kind}, the model's are real numbers: this is a mask or a quantised "
                "copy. Use the file with the weights themselves."
            )
        if not value.isfinite().all():
            raise CheckpointError(
                f"{source}: the weights {key} are not finite (NaN or infinity). The training that wrote them diverged, "
                "or the file is damaged: use an earlier checkpoint, or copy it again."
            )


def matches_any(key: str, patterns: Iterable[str]) -> bool:
    """Whether one of the shell patterns describes the whole key."""
    return any(fnmatchcase(key, pattern) for pattern in patterns)
