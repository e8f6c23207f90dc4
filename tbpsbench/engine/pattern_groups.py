"""Learning rate, weight decay and freezing by parameter name; a pattern without a match is an error, not a no-op."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from tbpsbench.arguments import did_you_mean, matches
from tbpsbench.engine.param_groups import ParamGroups
from tbpsbench.errors import ConfigError
from tbpsbench.registry import PARAM_GROUPS

RULE_KEYS = {"pattern", "lr_mult", "decay_mult", "frozen"}


@PARAM_GROUPS.register()
class PatternGroups(ParamGroups):
    """Groups by regular expression on parameter names.

    Args:
        rules: dicts with `pattern` (searched anywhere in the name, so "image_encoder" matches all of it), and any of
            `lr_mult`, `decay_mult`, `frozen`. Of several rules that match, the later one wins key by key. Batch norm
            whose parameters are frozen keeps its running statistics, too (engine/frozen.py).
        no_decay_on_vectors: no weight decay on parameters with fewer than two axes (biases, norms, temperatures).

    Raises:
        ValueError: for a rule without a pattern, with unknown keys or wrong values, or with an invalid regular
            expression.
    """

    def __init__(self, rules: Sequence[Mapping[str, Any]] = (), *, no_decay_on_vectors: bool = False) -> None:
        for position, rule in enumerate(rules):
            if not isinstance(rule, Mapping):
                raise ValueError(f"rules.{position} is {rule!r}, expected dict(pattern='...', lr_mult=...)")
            if unknown := set(rule) - RULE_KEYS:
                odd = min(map(str, unknown))
                near = did_you_mean(odd, RULE_KEYS)
                raise ValueError(f"rules.{position} has no key {odd!r}.{near} Keys: {sorted(RULE_KEYS)}")
            if not isinstance(rule.get("pattern"), str):
                raise ValueError(f"rules.{position} has no pattern")
            for key in ("lr_mult", "decay_mult"):
                factor = rule.get(key, 1.0)
                if not matches(factor, float) or not 0 <= factor < math.inf:
                    raise ValueError(f"rules.{position}.{key} is {factor!r}, expected a number that is 0 or more")
            if not isinstance(rule.get("frozen", False), bool):
                raise ValueError(f"rules.{position}.frozen is {rule['frozen']!r}, expected True or False")
            try:
                re.compile(rule["pattern"])
            except re.error as error:
                raise ValueError(f"rules.{position}: {rule['pattern']!r} is not a regex ({error})") from None
        self.rules, self.no_decay_on_vectors = [dict(rule) for rule in rules], no_decay_on_vectors

    def __call__(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """One group per combination of rate and decay, in order of appearance; frozen parameters stop learning."""
        parameters = dict(model.named_parameters())
        unmatched = [r["pattern"] for r in self.rules if not any(re.search(r["pattern"], name) for name in parameters)]
        if unmatched:
            tops = sorted({".".join(name.split(".")[:2]) for name in parameters})
            raise ConfigError(
                f"param_groups: no parameter matches {', '.join(map(repr, unmatched))}. "
                f"Parameters begin with: {', '.join(tops)}"
            )
        groups: dict[tuple[float, float], dict[str, Any]] = {}
        for name, parameter in parameters.items():
            settings: dict[str, Any] = {}
            for rule in self.rules:
                if re.search(rule["pattern"], name):
                    settings |= rule
            if settings.get("frozen"):
                parameter.requires_grad_(False)
            if not parameter.requires_grad:
                continue
            decay = weight_decay * settings.get("decay_mult", 1.0)
            if self.no_decay_on_vectors and parameter.ndim < 2:
                decay = 0.0
            key = (lr * settings.get("lr_mult", 1.0), decay)
            group = groups.setdefault(key, {"params": [], "lr": key[0], "weight_decay": key[1], "name": ""})
            group["params"].append(parameter)
            group["name"] = group["name"] or name
        return list(groups.values())
