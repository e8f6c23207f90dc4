"""The two towers of a system as ONNX graphs.

Shapes: B batch, T tokens, D width of the joint embedding, H x W pixels.
"""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import ConfigError
from tbpsbench.export.scan import translations
from tbpsbench.heads.base import Side
from tbpsbench.model.base import SearchModel
from tbpsbench.model.exported import IDS, MASK, OUTPUT, PIXELS
from tbpsbench.model.person_search import joint
from tbpsbench.model.roles import QUERY
from tbpsbench.parts import require
from tbpsbench.system import System
from tbpsbench.types import Tokens

OPSET = 18
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# Sizes to trace with: none of them is a size that a model has inside.
ROWS, LENGTH = 3, 7


class TextTower(nn.Module):
    """ids (B, T) int64, mask (B, T) int64, 1 on real tokens -> (B, D), of length one."""

    def __init__(self, model: SearchModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        embedded = self.model.encode_query(Tokens(ids_BT, mask_BT.bool()))
        return joint(embedded, self.model.head_weights)


class ImageTower(nn.Module):
    """Normalised pixels (B, 3, H, W) float32 -> (B, D), of length one."""

    def __init__(self, model: SearchModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image_B3HW: Tensor) -> Tensor:
        return joint(self.model.encode_gallery(image_B3HW), self.model.head_weights)


class _Named(nn.Module):
    """A module whose tensors have names that are Python's: a head may be called "global", which torch.export trips on.

    The module itself is hidden from torch, so that its own names are.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self._inner = (inner,)
        self._names = {}
        for position, (name, tensor) in enumerate([*inner.named_parameters(), *inner.named_buffers()]):
            self._names[name] = f"t{position}_{re.sub(r'[^0-9A-Za-z]', '_', name)}"
            self.register_buffer(self._names[name], tensor.detach())

    def forward(self, *given: Tensor) -> Tensor:
        tensors = {name: getattr(self, own) for name, own in self._names.items()}
        result: Tensor = functional_call(self._inner[0], tensors, given)
        return result


def require_packages() -> None:
    """Refuse to begin without the packages of the extra `onnx`.

    Raises:
        ConfigError: if one is missing; names the command.
    """
    for package in PACKAGES:
        require(package, "onnx", "An export")


def write_graphs(system: System, files: dict[Side, Path]) -> int | None:
    """Write both graphs in float32.

    Args:
        system: its similarity is one dot product.
        files: where to.

    Returns:
        The number of tokens that the text graph takes; None for any up to the tokenizer's.

    Raises:
        ConfigError: if a part of the model cannot be written in ONNX, or the packages are not there.
    """
    require_packages()
    # A copy: texts are cut by whoever runs the graph, and a compiled scan of a GPU could not be traced.
    model = copy.deepcopy(system.model).cpu().eval()
    model.cut_texts = False  # type: ignore[assignment]
    with torch.no_grad(), _quiet():
        kept = _write_text(TextTower(model), system.tokenizer, files["text"])
        pixels = torch.zeros(ROWS, 3, *system.preprocess.size)
        _write(ImageTower(model), (pixels,), (PIXELS,), "image", ({0: "batch"},), files["image"])
    return kept


def _write_text(tower: TextTower, tokenizer: Tokenizer, file: Path) -> int | None:
    """Write the text graph, and return the length that it keeps: None where it takes any.

    A head may read a text to its padding's end, or take so many tokens that the length decides what is done.
    """
    length = tokenizer.max_length
    ids = tokenizer(["a b"] * ROWS).ids
    if not any(QUERY in getattr(head, "reads_padding", ()) for head in tower.model.heads.values()):
        shown = ids[:, : min(LENGTH, length)]
        with suppress(ConfigError):
            _write(tower, (shown, torch.ones_like(shown)), (IDS, MASK), "text", ({0: "batch", 1: "length"},) * 2, file)
            return None
    _write(tower, (ids, torch.ones_like(ids)), (IDS, MASK), "text", ({0: "batch"},) * 2, file)
    return length


def _write(
    tower: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    side: Side,
    axes: tuple[dict[int, str], ...],
    file: Path,
) -> None:
    onnx: Any = require("onnx", "onnx", "An export")
    try:
        program: Any = torch.onnx.export(
            _Named(tower).eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[OUTPUT[side]],
            dynamic_shapes=(axes,),
            custom_translation_table=dict(translations()),
            verbose=False,
        )
    except Exception as error:  # torch's exporter wraps whatever a model raises
        raise ConfigError(f"the {side} side cannot be written in ONNX: {_reason(error)}") from error
    graph = program.model_proto
    _forget_source(graph)
    onnx.save(graph, str(file))


def _forget_source(graph: Any) -> None:
    """Drop the lines of source that the exporter notes at every node: paths of this machine, and much of the file."""
    parts = [graph.graph, *graph.functions]
    while parts:
        part = parts.pop()
        for one in (part, *part.node, *part.value_info):
            del one.metadata_props[:]
            one.doc_string = ""
        # What a Scan does at every position is a graph within the node.
        parts += [attribute.g for node in part.node for attribute in node.attribute if attribute.HasField("g")]


def _reason(error: Exception) -> str:
    """What stands at the bottom of the exporter's chain of errors, and what a plug-in's author can do about it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    told = next((line for line in reversed(text.splitlines()) if re.match(r"<class .*>: ", line)), text)
    if "static shape" in text or "specialized" in text or "data-dependent" in text.lower():
        return (
            f"{told:.300} A part of the model turns a size or a value of its input into a Python number. Write "
            "x.shape[0] in place of len(x), and torch.where in place of an if."
        )
    return f"{told:.600}"


@contextmanager
def _quiet() -> Iterator[None]:
    """What torch's exporter has to say of itself is nothing for a user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
