"""A model as two ONNX graphs, run by ONNX Runtime: what `tools/export.py` makes of a trained one.

It embeds pictures and captions and does nothing else: it has no features, no weights that could be trained, and reads
no texts beside a picture.

Shapes: B batch, T tokens, D width of the joint embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from tbpsbench.errors import CheckpointError, ConfigError, DataError
from tbpsbench.heads.base import Head, Side
from tbpsbench.model.base import SearchModel
from tbpsbench.parts import require
from tbpsbench.types import Batch, Embedding, Features, Tokens
from tbpsbench.vectors import Vectors

SIDES: tuple[Side, Side] = ("text", "image")
# Where the graphs lie in the folder of an exported system (see system_exported.py), and what describes it.
DESCRIPTION, GRAPHS = "tbpsbench.json", "onnx"
TOWERS: dict[Side, str] = {"text": "text_model", "image": "vision_model"}
# What transformers.js appends to a file's name.
SUFFIX = {"float32": "", "float16": "_fp16", "int8": "_quantized"}
# Names of inputs and outputs, those of CLIP's exports for transformers.js.
IDS, MASK, PIXELS = "input_ids", "attention_mask", "pixel_values"
INPUTS: dict[Side, list[str]] = {"text": [IDS, MASK], "image": [PIXELS]}
OUTPUT: dict[Side, str] = {"text": "text_embeds", "image": "image_embeds"}
GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def graph_file(side: Side, precision: str) -> str:
    """Name of a graph below the folder."""
    return f"{GRAPHS}/{TOWERS[side]}{SUFFIX[precision]}.onnx"


def is_there(file: Path) -> bool:
    """Whether a file can be read here; also where somebody else's folder lies above it."""
    try:
        return file.is_file()
    except OSError:
        return False


def exported(path: Path) -> tuple[Path, str | None] | None:
    """The folder and the precision of an exported system that `path` names; None where it names something else.

    A folder, or its description, leaves the precision open; one of its graphs means that graph's.
    """
    inside = path.absolute().parent
    for folder in (path, inside if path.name in (DESCRIPTION, GRAPHS) else path):
        if is_there(folder / DESCRIPTION):
            return folder, None
    for precision in SUFFIX:
        if path.name in {Path(graph_file(side, precision)).name for side in SIDES}:
            return (inside.parent, precision) if is_there(inside.parent / DESCRIPTION) else None
    return None


class Joint(Head):
    """The one head of an exported model: the joint embedding of all heads that it was made of."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, features: Features, batch: Batch) -> Embedding:  # noqa: ARG002
        """Not there: see `ExportedModel.extract`."""
        raise ConfigError(NO_FEATURES)


class ExportedModel(SearchModel):
    """Two graphs with the interface of a model; batches are taken and vectors returned on the CPU.

    Args:
        graphs: side -> its ONNX file.
        roles: text roles of the batches that the model was trained with.
        digest: SHA-256 of both files together, 32 bytes; part of the system's fingerprint.
        cost: parameters and FLOPs of the model that was exported.
        device: "cpu", or "cuda" for ONNX Runtime's CUDA provider; None for the latter where it is there.

    Attributes:
        length: tokens that the text graph takes; None for any number up to the tokenizer's.
        size: height and width that the image graph takes.

    Raises:
        ConfigError: if ONNX Runtime is not installed, or has no such device.
        CheckpointError: if a file is no graph of this side that it can run.
    """

    def __init__(
        self,
        graphs: Mapping[Side, Path],
        roles: tuple[str, ...],
        digest: bytes,
        cost: Mapping[str, Any],
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__()
        self.roles, self.cost, self.losses = tuple(roles), dict(cost), nn.ModuleDict()
        self.digest: Tensor
        self.register_buffer("digest", torch.frombuffer(bytearray(digest), dtype=torch.uint8))
        self._graphs, self._device = dict(graphs), str(device or "")
        self._sessions: dict[Side, Any] = {}
        self._threads = 0
        self.open()
        (ids, _), (pixels,) = (self._sessions[side].get_inputs() for side in SIDES)
        dim = self._sessions["text"].get_outputs()[0].shape[1]
        if dim != self._sessions["image"].get_outputs()[0].shape[1]:
            raise CheckpointError(
                f"{graphs['text']}: embeds otherwise than {graphs['image']}. Export the system again."
            )
        self.length = ids.shape[1] if isinstance(ids.shape[1], int) else None
        self.size = tuple(pixels.shape[2:])
        self.heads = nn.ModuleDict({"joint": Joint(dim)})

    def open(self) -> None:
        """Open both graphs with as many threads as torch has now, unless they are open so."""
        if self._sessions and self._threads == torch.get_num_threads():
            return
        self._threads = torch.get_num_threads()
        self._sessions = {side: _session(side, self._graphs[side], self._device) for side in SIDES}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sessions": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.open()

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ExportedModel:  # noqa: ARG002
        """Stay: ONNX Runtime keeps the weights where they were opened."""
        return self

    def extract(self, batch: Batch) -> Features:  # noqa: ARG002
        """Not there.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(NO_FEATURES)

    def encode_gallery(self, image_B3HW: Tensor, texts: Mapping[str, Tokens] | None = None) -> dict[str, Vectors]:
        if texts:
            raise ConfigError(f"texts of {', '.join(texts)}: an exported system embeds pictures alone")
        return self._vectors("image", {PIXELS: image_B3HW.float().numpy()})

    def encode_query(self, texts: Tokens) -> dict[str, Vectors]:
        read = texts.cut() if self.length is None else texts
        missing = 0 if self.length is None else self.length - read.ids.shape[1]
        ids_BT, mask_BT = (pad(x, (0, missing)) for x in (read.ids, read.mask.long()))
        return self._vectors("text", {IDS: ids_BT.numpy(), MASK: mask_BT.numpy()})

    def _vectors(self, side: Side, given: Mapping[str, np.ndarray]) -> dict[str, Vectors]:
        try:
            (found_BD,) = self._sessions[side].run([OUTPUT[side]], given)
        except Exception as error:  # its own exceptions share no base class
            shapes = ", ".join(f"{name} {value.shape}" for name, value in given.items())
            reason = str(error).strip().splitlines()[-1]
            raise DataError(f"the {side} side of this export cannot take {shapes}: {reason:.300}") from error
        # Graphs of less than float32 leave vectors that are a little longer or shorter than one.
        return {"joint": Vectors(normalize(torch.from_numpy(found_BD).float(), dim=-1))}


NO_FEATURES = (
    "an exported system has no features and cannot be trained: it embeds pictures and captions alone. Use the "
    "checkpoint that it was made of."
)


def _session(side: Side, file: Path, device: str) -> Any:
    runtime = require("onnxruntime", "onnx", "An exported system")
    there = runtime.get_available_providers()
    kind, _, number = device.partition(":")
    if kind == "cuda" and GPU not in there:
        raise ConfigError(
            f"device {device!r}: this ONNX Runtime runs on {', '.join(there)}. For a GPU: pip install onnxruntime-gpu"
        )
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait busily between two batches take the cores from those that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    gpu = [] if kind == "cpu" or GPU not in there else [(GPU, {"device_id": int(number or 0)})]
    try:
        session = runtime.InferenceSession(str(file), options, providers=[*gpu, CPU])
        names = [[one.name for one in both] for both in (session.get_inputs(), session.get_outputs())]
    except Exception as error:  # its own exceptions share no base class
        reason = str(error).strip().splitlines()[-1]
        raise CheckpointError(
            f"{file}: ONNX Runtime cannot open it ({reason:.300}). Export the system again."
        ) from error
    if names != [INPUTS[side], [OUTPUT[side]]]:
        raise CheckpointError(
            f"{file}: is not the graph of the {side} side. Copy it again, or export the system again."
        )
    if kind == "cuda" and GPU not in session.get_providers():
        raise ConfigError(f"device {device!r}: ONNX Runtime could not use it")
    return session
