"""A trained model as one thing: what it takes to embed captions and pictures, from one file or folder alone.

    system = load_system("best.pth")
    index = system.encode_images(["a.jpg", "b.jpg"])
    best = system.rank("a woman in a red coat", index)

Nothing else is read: no training data, no data set's folder, no pretrained weights. system_files.py has the two forms
in which a system is kept: a training run's checkpoint, and a folder that `System.save` writes.

Shapes: N texts or pictures, D width of the joint embedding, Q queries, k best matches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbpsbench.config.flat import canonical
from tbpsbench.data.preprocess import Picture, Preprocess
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.model.person_search import PersonSearchModel, joint
from tbpsbench.system_files import read_parts, save_system
from tbpsbench.types import Ranking, Tokens


@dataclass(frozen=True)
class TrainedOn:
    """What a system was trained on.

    Attributes:
        name: the data set, as tables call it.
        provenance: the caption files with their hashes (see `Sources.provenance`).
        texts: what the leak guard must know of the training texts.
        hashes: SHA-256 of each caption file.
    """

    name: str
    provenance: Mapping[str, Any]
    texts: TrainingTexts
    hashes: Mapping[str, str]

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "provenance": dict(self.provenance),
            "texts": self.texts.to_plain(),
            "hashes": dict(self.hashes),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TrainedOn:
        """Back from `to_plain`."""
        texts = TrainingTexts.from_plain(plain["texts"])
        return cls(str(plain["name"]), plain["provenance"], texts, plain["hashes"])


@dataclass(frozen=True)
class System:
    """A model with everything that it needs to be used.

    Attributes:
        name: what its config is called.
        model: on its device.
        tokenizer, preprocess: how it reads captions and looks at pictures.
        config: the resolved config that it was trained with.
        facts: what the config took from the training data (`from_data:NAME`).
        trained_on: its training data; None where that is not known (weights released by others).
        notes: what else the checkpoint says, e.g. how it was converted.
    """

    name: str
    model: PersonSearchModel
    tokenizer: Tokenizer
    preprocess: Preprocess
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    trained_on: TrainedOn | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of weights, architecture, tokenizer and preprocessing: equal systems embed alike."""
        model = {key: value for key, value in self.config["model"].items() if key not in ("losses", "balancer")}
        head = [canonical(model), canonical(self.preprocess.to_json()), self.tokenizer.sha256]
        digest = hashlib.sha256("\n".join(head).encode())
        for key, value in sorted(self.model.state_dict().items()):
            digest.update(f"\n{key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    def encode_text(self, texts: str | Sequence[str], *, batch_size: int = 256) -> Tensor:
        """Embed captions as queries.

        Args:
            texts: one caption or several.
            batch_size: captions at a time.

        Returns:
            (N, D) float32 on the CPU; the dot product with a row of `encode_images` is the similarity.

        Raises:
            DataError: if a caption is empty.
        """
        asked = [texts] if isinstance(texts, str) else list(texts)
        for position, text in enumerate(asked):
            if not isinstance(text, str) or not text.strip():
                raise DataError(f"caption {position} is {text!r}: a query is a text")

        def embed(rows: range) -> dict[str, Tensor]:
            return self.model.encode_query(self.tokenizer([asked[row] for row in rows]).to(self.device))

        return self._embed(embed, len(asked), batch_size)

    def encode_images(
        self, pictures: Sequence[Picture], *, texts: Mapping[str, Sequence[str]] | None = None, batch_size: int = 64
    ) -> Tensor:
        """Embed pictures as a gallery.

        Args:
            pictures: files, PIL images, or pixels as uint8 of shape (height, width, 3).
            texts: role -> one text for each picture, made from it alone, where the model fuses texts into its gallery
                ("identity", "clothing", ...).
            batch_size: pictures at a time; each batch is read when it is embedded.

        Returns:
            (N, D) float32 on the CPU, in the order of the pictures.

        Raises:
            DataError: if a file is missing or damaged, pixels have another type or shape, or texts are too few.
        """
        if isinstance(pictures, str | Path):
            raise DataError(f"pictures is {str(pictures)!r}: give a list, e.g. sorted(Path(folder).glob('*.jpg'))")
        for role, given in (texts or {}).items():
            if len(given) != len(pictures):
                raise DataError(f"{len(given)} texts of the role {role!r} for {len(pictures)} pictures: one for each")

        def embed(rows: range) -> dict[str, Tensor]:
            seen = torch.stack([self.preprocess(pictures[row]) for row in rows]).to(self.device)
            return self.model.encode_gallery(seen, self._descriptions(texts, rows))

        return self._embed(embed, len(pictures), batch_size)

    def similarity(self, texts: str | Sequence[str] | Tensor, images: Sequence[Picture] | Tensor) -> Tensor:
        """Similarity of every text with every image, (N texts, N images); each side raw or already embedded.

        Raises:
            DataError: as `encode_text` and `encode_images`.
        """
        text_ND = texts if isinstance(texts, Tensor) else self.encode_text(texts)
        image_ND = images if isinstance(images, Tensor) else self.encode_images(images)
        return text_ND @ image_ND.T

    def rank(self, text: str | Sequence[str] | Tensor, index: Tensor, k: int = 10) -> Ranking:
        """The k pictures that fit a caption best; equal similarities in the order of the index.

        Args:
            text: one caption or several, or their embeddings.
            index: what `encode_images` returned.
            k: at most as many as the index holds.

        Returns:
            `order` (Q, k), positions in the index, best first, and their `scores`.

        Raises:
            DataError: as `encode_text`; or if the index was made by a system of another width.
        """
        width = sum(head.dim for head in self.model.heads.values())
        if index.ndim != 2 or index.shape[1] != width:
            raise DataError(f"an index of shape {tuple(index.shape)}: this system's embeddings are {width} wide")
        scores_QN = self.similarity(text, index).numpy()
        order_Qk = np.argsort(-scores_QN, axis=1, kind="stable")[:, :k]
        return Ranking(np.take_along_axis(scores_QN, order_Qk, axis=1).astype(np.float32), order_Qk)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the system to a folder of its own, from which `load_system` reads it back bit for bit.

        Args:
            folder: gets model.safetensors, config.json, preprocess.json, the tokenizer's files and a card, README.md.
            overwrite: replace a system that is there.

        Raises:
            StorageError: if it cannot be written; what was there before stays.
            CheckpointError: if the folder holds something else, or a system and `overwrite` is not set.
        """
        return save_system(self, Path(folder), overwrite=overwrite)

    def _descriptions(self, texts: Mapping[str, Sequence[str]] | None, rows: range) -> dict[str, Tokens] | None:
        if not texts:
            return None
        return {role: self.tokenizer([given[row] for row in rows]).to(self.device) for role, given in texts.items()}

    @torch.no_grad()
    def _embed(self, embed: Any, count: int, batch_size: int) -> Tensor:
        was_training = self.model.training
        self.model.eval()
        try:
            parts = [joint(embed(rows), self.model.head_weights).cpu() for rows in _batches(count, batch_size)]
        finally:
            self.model.train(was_training)
        return torch.cat(parts) if parts else torch.zeros(0, sum(head.dim for head in self.model.heads.values()))


def load_system(path: str | Path, *, device: str | torch.device | None = None) -> System:
    """A trained system, from its checkpoint or folder alone.

    Args:
        path: a checkpoint (.pth), a folder that `System.save` wrote, or a run's folder (its chosen checkpoint).
        device: where the model shall compute; by default the GPU where there is one.

    Raises:
        CheckpointError: if there is nothing to load, the file is damaged or of an older form, or its tokenizer cannot
            be had as it was.
        ConfigError: if a plug-in is missing that the system needs.
    """
    parts = read_parts(Path(path))
    trained_on = parts.pop("trained_on")
    try:
        known = None if trained_on is None else TrainedOn.from_plain(trained_on)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: what it says of its training data is damaged ({error}). Copy it again."
        ) from error
    system = System(**parts, trained_on=known)
    system.model.eval().to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return system


def _batches(count: int, size: int) -> Iterator[range]:
    for start in range(0, count, max(1, size)):
        yield range(start, min(start + size, count))
