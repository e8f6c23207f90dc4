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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tbpsbench.config.flat import canonical
from tbpsbench.data.preprocess import Picture, Preprocess
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.metrics.even import even_products
from tbpsbench.model.base import SearchModel
from tbpsbench.model.modes import evaluating
from tbpsbench.model.person_search import joint
from tbpsbench.parts import move_to
from tbpsbench.reading import given_path, require_text
from tbpsbench.system_exported import read_any
from tbpsbench.system_files import save_system
from tbpsbench.trained_on import TrainedOn
from tbpsbench.types import Ranking
from tbpsbench.vectors import Encoded, Vectors

Embedded: TypeAlias = Tensor | Encoded


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
    model: SearchModel
    tokenizer: Tokenizer
    preprocess: Preprocess
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    trained_on: TrainedOn | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of weights, architecture, tokenizer and preprocessing: equal systems embed alike.

        An export in float32 has that of the system which it was made of, and compared with.
        """
        if (made := self.notes.get("exported")) and made["precision"] == "float32":
            return str(made["from"])
        model = {key: value for key, value in self.config["model"].items() if key not in ("losses", "balancer")}
        told = [model, self.preprocess.to_json(), dict(self.facts), {"settled": list(self.model.settled.values())}]
        head = [*map(canonical, told), self.tokenizer.sha256]
        digest = hashlib.sha256("\n".join(head).encode())
        for key, value in sorted(self.model.state_dict().items()):
            digest.update(f"\n{key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    def encode_text(self, texts: str | Sequence[str], *, batch_size: int = 256) -> Embedded:
        """Embed captions as queries.

        Args:
            texts: one caption or several.
            batch_size: captions at a time.

        Returns:
            (N, D) float32 on the CPU; the dot product with a row of `encode_images` is the similarity. Where the heads
            compare otherwise (token sets, say) the vectors of each head; `similarity` and `rank` take both.

        Raises:
            DataError: if a caption is empty, or holds a lone surrogate or a NUL.
        """
        asked = _texts([texts] if isinstance(texts, str) else list(texts), "caption")

        def embed(rows: range) -> dict[str, Vectors]:
            return self.model.encode_query(self.tokenizer([asked[row] for row in rows]).to(self.device))

        return self._embed(embed, len(asked), batch_size)

    def encode_images(
        self, pictures: Sequence[Picture], *, texts: Mapping[str, Sequence[str]] | None = None, batch_size: int = 64
    ) -> Embedded:
        """Embed pictures as a gallery.

        Args:
            pictures: files, PIL images, or pixels as uint8 of shape (height, width, 3).
            texts: role -> one text for each picture, made from it alone, where the model fuses texts into its gallery
                ("identity", "clothing", ...).
            batch_size: pictures at a time; each batch is read when it is embedded.

        Returns:
            (N, D) float32 on the CPU, in the order of the pictures; or the vectors of each head, as `encode_text`.

        Raises:
            DataError: if a file is missing or damaged, pixels have another type or shape, or texts are too few,
                empty, no writable text, or of a role that the model does not read.
        """
        if isinstance(pictures, str | Path | Image.Image):
            raise DataError(f"pictures is {str(pictures)!r}: give a list, e.g. sorted(Path(folder).glob('*.jpg'))")
        shown = list(pictures)
        told = {role: self._described(role, given, len(shown)) for role, given in (texts or {}).items()}

        def embed(rows: range) -> dict[str, Vectors]:
            seen = torch.stack([self.preprocess(shown[row]) for row in rows]).to(self.device)
            tokens = {r: self.tokenizer([given[row] for row in rows]).to(self.device) for r, given in told.items()}
            return self.model.encode_gallery(seen, tokens or None)

        return self._embed(embed, len(shown), batch_size)

    def encode_prepared(self, image_B3HW: Tensor) -> Embedded:
        """Embed one batch of pictures that `preprocess` has made the model's input of, (B, 3, H, W) float32.

        Returns:
            As `encode_images`, which reads the pictures itself.
        """
        return self._embed(lambda _: self.model.encode_gallery(image_B3HW.to(self.device)), len(image_B3HW), 1 << 30)

    def similarity(self, texts: str | Sequence[str] | Embedded, images: Sequence[Picture] | Embedded) -> Tensor:
        """Similarity of every text with every image, (N texts, N images); each side raw or already embedded.

        Raises:
            DataError: as `encode_text` and `encode_images`.
        """
        asking = texts if isinstance(texts, Tensor | Encoded) else self.encode_text(texts)
        answering = images if isinstance(images, Tensor | Encoded) else self.encode_images(images)
        if isinstance(asking, Tensor) and isinstance(answering, Tensor):
            sides = [side.detach().float().cpu().numpy() for side in (asking, answering)]
            return torch.from_numpy(even_products(*sides))
        if isinstance(asking, Tensor) or isinstance(answering, Tensor):
            raise DataError("one side is embedded as vectors, the other by heads: embed both with this system")
        return self.model.score(asking.to(self.device).heads, answering.to(self.device).heads).cpu()

    def rank(self, text: str | Sequence[str] | Embedded, index: Embedded, k: int = 10) -> Ranking:
        """The k pictures that fit a caption best; equal similarities in the order of the index.

        Args:
            text: one caption or several, or their embeddings.
            index: what `encode_images` returned.
            k: at most as many as the index holds.

        Returns:
            `order` (Q, k), positions in the index, best first, and their `scores`.

        Raises:
            DataError: as `encode_text`; or if embeddings are of another width or not finite, or k is not positive.
        """
        self._require_own("an index", index)
        if not isinstance(text, str | Sequence):
            self._require_own("embeddings of captions", text)
        if k < 1:
            raise DataError(f"k is {k}, expected at least 1")
        scores_QN = self.similarity(text, index.float()).numpy()
        if np.isnan(scores_QN).any():
            raise DataError("some similarities are not a number: embeddings or index hold NaN or infinity")
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
        return save_system(self, given_path(folder), overwrite=overwrite)

    def _require_own(self, what: str, side: Any) -> None:
        """Refuse embeddings that this system's encoders cannot have made."""
        if self.model.cosine:
            width = self.model.joint_dim
            if not isinstance(side, Tensor) or side.ndim != 2 or side.shape[1] != width:
                shape = tuple(getattr(side, "shape", ())) or type(side).__name__
                raise DataError(f"{what} of shape {shape}: expected (N, {width}), what this system's encoders return")
        elif not isinstance(side, Encoded) or set(side.heads) != set(self.model.heads):
            heads = ", ".join(self.model.heads)
            raise DataError(f"{what}: expected what this system's encoders return, vectors of its heads ({heads})")

    def _described(self, role: str, given: Sequence[str], count: int) -> list[str]:
        """The texts of a role, one for each picture."""
        if role not in self.model.gallery_roles:
            known = ", ".join(sorted(self.model.gallery_roles)) or "no texts"
            raise DataError(f"texts of the role {role!r}: this system reads {known} beside a picture")
        if isinstance(given, str) or len(given) != count:
            raise DataError(f"{len(given)} texts of the role {role!r} for {count} pictures: a list with one for each")
        return _texts(list(given), f"text of the role {role!r}")

    @torch.no_grad()
    def _embed(self, embed: Callable[[range], dict[str, Vectors]], count: int, batch_size: int) -> Embedded:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}, expected at least 1")
        with evaluating(self.model):
            if not self.model.cosine:
                return Encoded.join([Encoded(embed(rows)).to("cpu") for rows in _batches(count, batch_size)])
            parts = [joint(embed(rows), self.model.head_weights).cpu() for rows in _batches(count, batch_size)]
        return torch.cat(parts) if parts else torch.zeros(0, self.model.joint_dim)


def load_system(path: str | Path, *, device: str | torch.device | None = None) -> System:
    """A trained system, from its checkpoint or folder alone.

    Args:
        path: a checkpoint (.pth), a run's folder (its chosen checkpoint), or a folder that `System.save` or
            tools/export.py wrote (of the latter also a graph, for its precision).
        device: where the model shall compute; by default the GPU where there is one.

    Raises:
        CheckpointError: if there is nothing to load, the file is damaged or of an older form, or its tokenizer cannot
            be had as it was.
        ConfigError: if a plug-in is missing that the system needs, or the device cannot be used.
    """
    parts = read_any(given_path(path), device)
    trained_on = parts.pop("trained_on")
    try:
        known = None if trained_on is None else TrainedOn.from_plain(trained_on)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: what it says of its training data is damaged ({error}). Copy it again."
        ) from error
    system = System(**parts, trained_on=known)
    move_to(system.model.eval(), device)
    return system


def _texts(given: list[Any], what: str) -> list[str]:
    for position, text in enumerate(given):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{what} {position} is {text!r}, expected a text")
        require_text(text, f"{what} {position}")
    return given


def _batches(count: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, count)) for start in range(0, count, size))
