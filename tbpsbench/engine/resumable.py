"""What a checkpoint must hold for a run to go on from it: a file may have been damaged or changed since it was written.

Nothing here is repaired: a value that is not what a run writes is named, and the run is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from tbpsbench.config.schema import SECTIONS
from tbpsbench.engine.mm_hooks import not_finite
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.reading import parse_json, require_text, shown
from tbpsbench.weights.checkpoint import KEY
from tbpsbench.weights.load import load_into

PARTS = ("meta", "state_dict", "optimizer")
PICTURES = "pictures"  # the hash of what is decoded, beside those of caption files
# What decides a validation score besides the weights; the rest of `evaluation` only says when and how fast.
SCORING = (
    "evaluation", "data.dataset", "data.captions", "data.tokenizer", "data.size", "data.interpolation", "data.mean",
    "data.std", "model.heads", PICTURES,
)  # fmt: skip
NOT_SCORING = ("evaluation.interval", "evaluation.batch_size", "evaluation.allow_leak", "data.dataset.root")
REMEDY = "The file is damaged or was changed. Put back a good copy, or start again (--overwrite, --work-dir)."

LARGEST = 1e300  # far from where a float ends, which an integer does not

Check = tuple[str, Callable[[Any], bool]]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_names(value: Any, of: Callable[[Any], bool]) -> bool:
    """Whether a value maps names to what `of` accepts."""
    return isinstance(value, Mapping) and all(_is_text(key) and of(item) for key, item in value.items())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_best(value: Any) -> bool:
    found = isinstance(value, Mapping) and _is_count(value.get("epoch")) and _is_number(value.get("score"))
    return value is None or (found and _is_text(value.get("metric")))


def _is_history(value: Any) -> bool:
    rows = isinstance(value, list) and all(_is_names(row, _is_number) and _is_count(row.get("epoch")) for row in value)
    return rows and all(one["epoch"] < other["epoch"] for one, other in pairwise(value))


def _is_groups(value: Any) -> bool:
    groups = isinstance(value, list) and all(isinstance(group, Mapping) for group in value)
    return groups and all(isinstance(group.get("params"), list) for group in value)


COUNT: Check = ("a whole number that is 0 or more", _is_count)
NUMBER: Check = ("a finite number", _is_number)
TABLE: Check = ("a dict", _is_table)
OWN: dict[str, Check] = {
    "data": ("names and hashes", lambda value: _is_names(value, _is_text)),
    "plugins": ("names and versions of plug-ins", lambda value: _is_names(value, _is_text)),
    "best": ("None, or epoch, score and metric of the best validation", _is_best),
    "history": ("a list of validations with epoch and scores, in order", _is_history),
    "seconds": NUMBER,
    "energy": ("None or a finite number", lambda value: value is None or _is_number(value)),
    "peak_memory": ("names and numbers of bytes", lambda value: _is_names(value, _is_count)),
    "hooks": ("names and states of hooks", lambda value: _is_names(value, _is_table)),
    "steps": COUNT,
    "test_evaluations": COUNT,
}
OTHER: dict[str, Check] = {
    "meta": TABLE,
    "meta.epoch": COUNT,
    "meta.iter": COUNT,
    "state_dict": ("names and tensors", lambda value: _is_names(value, lambda item: isinstance(item, Tensor))),
    "optimizer": TABLE,
    "optimizer.state": TABLE,
    "optimizer.param_groups": ("a list of groups of parameters", _is_groups),
}


def require_sound(content: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """What a checkpoint says about its run, if every value that is there is of the kind that a run writes.

    Args:
        content: of the file.
        path: of the file, for messages.

    Raises:
        CheckpointError: naming the first value that is not.
    """
    own = content.get(KEY)
    if not isinstance(own, Mapping) or "config" not in own:
        raise CheckpointError(f"{shown(path)}: not a checkpoint of tools/train.py, cannot be resumed")
    for place, expected in _odd_parts(content, own):
        raise CheckpointError(f"{shown(path)}: {place} is not {expected}. {REMEDY}")
    kept_config(own, path)
    best, history = own.get("best"), own.get("history", ())
    done = content.get("meta", {}).get("epoch")
    if best is not None and not any(
        row["epoch"] == best["epoch"] and row.get(best["metric"]) == best["score"] for row in history
    ):
        raise CheckpointError(
            f"{shown(path)}: best names epoch {best['epoch']} with a score that its history does not have. {REMEDY}"
        )
    if done is not None and history and history[-1]["epoch"] > done:
        raise CheckpointError(
            f"{shown(path)}: holds {done} epochs, but a validation after epoch {history[-1]['epoch']}. {REMEDY}"
        )
    return own


def kept_config(own: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The config that a checkpoint's run had.

    Raises:
        CheckpointError: if it is no config.
    """
    text = own["config"]
    try:
        values = parse_json(require_text(text, "config").encode(), "config") if isinstance(text, str) else None
    except DataError as error:
        raise CheckpointError(f"{shown(path)}: {error}. {REMEDY}") from None
    if not isinstance(values, dict) or not all(isinstance(values.get(section, {}), dict) for section in SECTIONS):
        raise CheckpointError(f"{shown(path)}: its config is no config. {REMEDY}")
    return values


def _odd_parts(content: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for place, (expected, fits) in OWN.items():
        if place in own and not fits(own[place]):
            yield place, expected
    for place, (expected, fits) in OTHER.items():
        part, _, key = place.partition(".")
        inside: Any = content.get(part, {}) if key else content
        if (key or part) in inside and not fits(inside[key or part]):
            yield place, expected


def require_whole(content: Mapping[str, Any], path: Path, model: nn.Module, max_epochs: int) -> None:
    """Take the weights of a sound checkpoint, if it holds all that a run needs to go on.

    Raises:
        CheckpointError: if a part is missing, weights do not fit or are not finite, or the run is longer than the
            config now asks for.
    """
    missing = [part for part in PARTS if part not in content]
    missing += [f"meta.{key}" for key in ("epoch", "iter") if key not in content.get("meta", {})]
    if missing:
        raise CheckpointError(f"{shown(path)}: cannot be resumed, it lacks {', '.join(missing)}. {REMEDY}")
    if content["meta"]["epoch"] > max_epochs:
        raise CheckpointError(
            f"{shown(path)}: the run has done {content['meta']['epoch']} epochs, schedule.max_epochs now asks for "
            f"{max_epochs}. Set it to at least as many, or start again (--overwrite, --work-dir)."
        )
    load_into(model, content["state_dict"], source=shown(path))
    if odd := not_finite(model):
        raise CheckpointError(
            f"{shown(path)}: the weights {odd[0]} are not finite, training cannot go on from them. {REMEDY}"
        )


def chooses_anew(changed: Collection[str]) -> bool:
    """Whether scores from before these keys of the config changed cannot be compared with those to come."""
    return any(_below(key, SCORING) and not _below(key, NOT_SCORING) for key in changed)


def require_epochs_to_come(content: Mapping[str, Any], path: Path, max_epochs: int) -> None:
    """Refuse to choose anew among no epochs.

    Raises:
        CheckpointError: if the run of the checkpoint is finished.
    """
    if content["meta"]["epoch"] >= max_epochs:
        raise CheckpointError(
            f"{shown(path)}: the run is finished, so no epoch can be chosen by other rules of evaluation. Test what it "
            "chose with tools/test.py, or train on with a larger schedule.max_epochs."
        )


def resume_optimizer(
    content: Mapping[str, Any], path: Path, wrapper: OptimWrapper, changed: Collection[str]
) -> str | None:
    """Take the optimiser's state of a whole checkpoint.

    Where the config's `optimizer` was changed, the new settings hold; where its type or `param_groups` were, or groups
    no longer fit for another change, the optimiser starts without a past.

    Args:
        content: of the checkpoint.
        path: for messages.
        wrapper: of the optimiser; changed in place.
        changed: keys of the config that were changed since, which the user allowed.

    Returns:
        What the user should know; None where nothing is to say.

    Raises:
        CheckpointError: if the state does not fit and nothing was changed.
    """
    groups, kept = wrapper.optimizer.param_groups, content["optimizer"]
    now = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    rates = [group["lr"] for group in wrapper.param_groups]
    new_kind = any(key == "optimizer.type" or _below(key, ("param_groups",)) for key in changed)
    if new_kind or (changed and not _same_groups(kept, groups)):
        return "the optimizer starts anew, without the moments of the steps so far: its type or its groups were changed"
    torchs = type(wrapper.optimizer).__module__.startswith("torch.")
    if not _same_groups(kept, groups) or not _fits(kept, groups, shapes=torchs):
        raise CheckpointError(f"{shown(path)}: the state of its optimizer does not fit this model. {REMEDY}")
    try:
        wrapper.load_state_dict({key: value for key, value in kept.items() if key != "base_param_settings"})
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{shown(path)}: the state of its optimizer is no such state ({error}). {REMEDY}"
        ) from error
    mine = any(_below(key, ("optimizer",)) for key in changed)
    for group, settings in zip(wrapper.optimizer.param_groups, now, strict=True):
        group.update(settings if mine else {})
    for group, rate in zip(wrapper.param_groups, rates, strict=True):
        group["lr"] = rate  # the schedule's closed form starts from the config's rates
    return "the optimizer keeps its moments and takes the new settings" if mine else None


def _same_groups(kept: Mapping[str, Any], groups: list[dict[str, Any]]) -> bool:
    """Whether a state has groups of the same sizes."""
    sizes = [len(group["params"]) for group in kept.get("param_groups", ())]
    return sizes == [len(group["params"]) for group in groups]


def _fits(kept: Mapping[str, Any], groups: list[dict[str, Any]], *, shapes: bool) -> bool:
    """Whether all parameters have one kind of state, of numbers and of tensors as large as they are.

    `shapes` is for torch's own optimisers: a plug-in's may keep what it likes of each parameter.
    """
    parameters = [parameter for group in groups for parameter in group["params"]]
    places = [place for group in kept["param_groups"] for place in group["params"]]
    if places != list(range(len(parameters))):
        return False
    kinds: dict[bool, dict[Any, str]] = {}  # of matrices and vectors, which some optimisers treat differently
    for place, state in kept.get("state", {}).items():
        if place not in range(len(parameters)) or not isinstance(state, Mapping):
            return False
        if not shapes:
            continue
        shape = parameters[place].shape
        kind = {key: _kind(value) for key, value in state.items()}
        if kind and shape.numel() > 1 and kinds.setdefault(len(shape) > 1, kind) != kind:
            return False
        if not all(_is_as_large(value, shape) for value in state.values() if isinstance(value, Tensor)):
            return False
    return True


def _kind(value: Any) -> str:
    return "number" if isinstance(value, Tensor) and value.ndim == 0 else type(value).__name__


def _is_as_large(value: Tensor, shape: torch.Size) -> bool:
    """Whether a tensor is a number, or has the shape of a parameter, save for axes that it sums over."""
    if value.numel() == 1:
        return True
    return value.ndim == len(shape) and all(own in (1, full) for own, full in zip(value.shape, shape, strict=True))


def _below(key: str, names: Collection[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)
