"""A trained model as one thing: what it takes to embed captions and pictures, from one file or folder alone.

    system = load_system("best.pth")
    index = system.encode_images(["a.jpg", "b.jpg"])
    best = system.rank("a woman in a red coat", index)

Nothing else is read: no training data, no data set's folder, no pretrained weights. system_files.py has the two forms
in which a system is kept: a training run's checkpoint, and a folder that `System.save` writes.

Shapes: N texts or pictures, D width of the joint embedding, Q queries, k best matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from tbpsbench.heads.base import Side
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
from tbpsbench.weights.checkpoint import fingerprint

Embedded: TypeAlias = Tensor | Encoded
WHAT: Mapping[Side, str] = {"text": "embeddings of captions", "image": "an index"}


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
        dtypes: of the parameters when the system was made, which are those that loading gives them.
    """

    name: str
    model: SearchModel
    tokenizer: Tokenizer
    preprocess: Preprocess
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    trained_on: TrainedOn | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    dtypes: Mapping[str, torch.dtype] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtypes", {key: value.dtype for key, value in self.model.named_parameters()})

    @property
    def fingerprint(self) -> str:
        """SHA-256 of weights, architecture, tokenizer and preprocessing: equal systems embed alike.

        Computed anew each time, since the weights may have been changed; that reads all of them.
        An export in float32 has that of the system which it was made of, and compared with.
        """
        if (made := self.notes.get("exported")) and made["precision"] == "float32":
            return str(made["from"])
        model = {key: value for key, value in self.config["model"].items() if key not in ("losses", "balancer")}
        told = [model, self.preprocess.to_json(), dict(self.facts), {"settled": list(self.model.settled.values())}]
        return fingerprint([*map(canonical, told), self.tokenizer.sha256], self.model.state_dict())

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
            DataError: if a caption is no text, empty, or holds a lone surrogate or a NUL.
        """
        if not isinstance(texts, Iterable):
            raise DataError(f"texts is {texts!r:.100}, expected a caption or several")
        asked = _texts([texts] if isinstance(texts, str) else list(texts), "caption")

        def embed(rows: range) -> dict[str, Vectors]:
            return self.model.encode_query(self.tokenizer([asked[row] for row in rows]).to(self.device))

        return self._embed("text", embed, len(asked), batch_size)

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
            seen = self._as_input(torch.stack([self.preprocess(shown[row]) for row in rows]))
            tokens = {r: self.tokenizer([given[row] for row in rows]).to(self.device) for r, given in told.items()}
            return self.model.encode_gallery(seen, tokens or None)

        return self._embed("image", embed, len(shown), batch_size)

    def encode_prepared(self, image_B3HW: Tensor) -> Embedded:
        """Embed one batch of pictures that `preprocess` has made the model's input of, (B, 3, H, W) float32.

        Returns:
            As `encode_images`, which reads the pictures itself.

        Raises:
            DataError: for whole numbers, which are no input of a model.
        """
        if not image_B3HW.is_floating_point():
            raise DataError(f"pictures of {image_B3HW.dtype}: expected what `preprocess` returns, float32")
        seen = self._as_input(image_B3HW)
        return self._embed("image", lambda _: self.model.encode_gallery(seen), len(seen), 1 << 30)

    def similarity(self, texts: str | Sequence[str] | Embedded, images: Sequence[Picture] | Embedded) -> Tensor:
        """Similarity of every text with every image, (N texts, N images); each side raw or already embedded.

        Raises:
            DataError: as `encode_text` and `encode_images`; or if embeddings are not what these return.
        """
        asking, answering = self._embedded("text", texts), self._embedded("image", images)
        if isinstance(asking, Encoded) and isinstance(answering, Encoded):
            return self.model.score(asking.to(self.device).heads, answering.to(self.device).heads).cpu()
        sides = [side.detach().float().cpu().numpy() for side in (asking, answering) if isinstance(side, Tensor)]
        return torch.from_numpy(even_products(*sides))

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
        self._require_own("image", index)
        if k < 1:
            raise DataError(f"k is {k}, expected at least 1")
        scores_QN = self.similarity(text, index.float()).numpy()
        if not np.isfinite(scores_QN).all():
            raise DataError("some similarities are not finite: embeddings or index hold NaN, infinity or huge numbers")
        order_Qk = np.argsort(-scores_QN, axis=1, kind="stable")[:, :k]
        return Ranking(np.take_along_axis(scores_QN, order_Qk, axis=1).astype(np.float32), order_Qk)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the system to a folder of its own, from which `load_system` reads it back bit for bit.

        Args:
            folder: gets model.safetensors, config.json, preprocess.json, the tokenizer's files and a card, README.md.
            overwrite: replace a system that is there.

        Raises:
            StorageError: if it cannot be written; what was there before stays.
            CheckpointError: if the folder holds something else, or a system and `overwrite` is not set; or if the model
                was cast (`system.model.half()`), which loading would undo.
        """
        return save_system(self, given_path(folder), overwrite=overwrite)

    def _embedded(self, side: Side, given: Any) -> Embedded:
        """A side of a comparison, raw or embedded; arrays of pixels have more axes than those of embeddings."""
        numbers = isinstance(given, np.ndarray) and given.ndim < 3 and given.dtype.kind == "f"
        if numbers or isinstance(given, Tensor | Encoded):
            return self._require_own(side, given)
        return self.encode_text(given) if side == "text" else self.encode_images(given)

    def _require_own(self, side: Side, given: Any) -> Embedded:
        """Refuse embeddings that this system's encoders cannot have made."""
        what = WHAT[side]
        if isinstance(given, np.ndarray):
            raise DataError(f"{what} in a numpy array of shape {given.shape}: give a tensor, torch.from_numpy(array)")
        if self.model.cosine:
            width = self.model.joint_dim
            if not isinstance(given, Tensor) or given.ndim != 2 or given.shape[1] != width:
                shape = tuple(getattr(given, "shape", ())) or type(given).__name__
                raise DataError(f"{what} of shape {shape}: expected (N, {width}), what this system's encoders return")
            return given
        if not isinstance(given, Encoded) or set(given.heads) != set(self.model.heads):
            raise DataError(f"{what}: expected what this system returns, by heads ({', '.join(self.model.heads)})")
        if given.side not in (None, side):
            raise DataError(f"{what}: got {WHAT[given.side]}. Captions come first, then the index.")
        return given

    def _as_input(self, image_B3HW: Tensor) -> Tensor:
        """Pictures where the model is, and in its precision: that of the convolution which reads them."""
        reader = self.model.encoders.get("image_encoder", self.model)
        dtype = next((weight.dtype for weight in reader.parameters() if weight.ndim == 4), torch.float32)
        return image_B3HW.to(self.device, dtype)

    def _described(self, role: str, given: Sequence[str], count: int) -> list[str]:
        """The texts of a role, one for each picture."""
        if role not in self.model.gallery_roles:
            known = ", ".join(sorted(self.model.gallery_roles)) or "no texts"
            raise DataError(f"texts of the role {role!r}: this system reads {known} beside a picture")
        if isinstance(given, str) or len(given) != count:
            raise DataError(f"{len(given)} texts of the role {role!r} for {count} pictures: a list with one for each")
        return _texts(list(given), f"text of the role {role!r}")

    @torch.no_grad()
    def _embed(self, side: Side, embed: Callable[[range], dict[str, Vectors]], count: int, batch_size: int) -> Embedded:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}, expected at least 1")
        batches = (range(start, min(start + batch_size, count)) for start in range(0, count, batch_size))
        with evaluating(self.model):
            if not self.model.cosine:
                found = [Encoded(embed(rows), side).to("cpu") for rows in batches]
                return Encoded.join(found or [self._none(side)])
            parts = [joint(embed(rows), self.model.head_weights).cpu() for rows in batches]
        return torch.cat(parts) if parts else torch.zeros(0, self.model.joint_dim)

    def _none(self, side: Side) -> Encoded:
        """No caption or picture, as the heads embed them: only the heads know their shapes."""
        if side == "text":
            return Encoded(self.model.encode_query(self.tokenizer(["a"]).to(self.device)), side).to("cpu")[:0]
        blank = self._as_input(torch.zeros(1, 3, *self.preprocess.size))
        return Encoded(self.model.encode_gallery(blank), side).to("cpu")[:0]


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
