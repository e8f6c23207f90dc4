"""Find the layer of a model that a config names, or say what there is."""

from __future__ import annotations

import re

from torch import nn

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import ConfigError

SHOWN = 12


def layer_parameters(model: nn.Module, layer: str, path: str) -> dict[str, nn.Parameter]:
    """Parameters of the layer called `layer`, by their names in the model.

    Args:
        model: where to look.
        layer: dotted path of a module or parameter, where a number counts the children ("image_encoder.vit.layers.-1"),
            or else a regular expression that is searched in the names of parameters.
        path: where `layer` stands in the config, for the message.

    Raises:
        ConfigError: if nothing is called so; names what exists where the path breaks off.
    """
    named = dict(model.named_parameters())
    if layer in named:
        return {layer: named[layer]}
    module, reached = model, ""
    parts = layer.split(".")
    for part in parts:
        children = dict(module.named_children())
        if re.fullmatch(r"-?\d+", part) and part not in children and -len(children) <= int(part) < len(children):
            part = list(children)[int(part)]
        if part not in children:
            break
        module, reached = children[part], f"{reached}.{part}".strip(".")
    else:
        found = {name: p for name, p in named.items() if name.startswith(f"{reached}.")}
        if found:
            return found
        raise ConfigError(f"{path}: the layer {layer!r} has no parameters; name one that has")
    try:
        found = {name: p for name, p in named.items() if re.search(layer, name)}
    except re.error:
        found = {}
    if found:
        return found
    where = f"{reached} has" if reached else "the model has"
    names = [*children, *(name for name, _ in module.named_parameters(recurse=False))]
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    raise ConfigError(
        f"{path}: no layer is called {layer!r} and no parameter's name matches it.{did_you_mean(part, names)} "
        f"Here {where} no {part!r}, but: {shown or 'nothing below it'}"
    )
