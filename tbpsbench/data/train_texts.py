"""The captions that training samples show: drawn, changed by text transforms, tokenised, with noise.

Shapes: N captions, T tokens of one text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tbpsbench.annotations import Annotations, is_blank
from tbpsbench.data.masking import TokenChanger
from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.texts import TextStore, matching
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.model.roles import QUERY
from tbpsbench.types import Caption, ImageRecord

Draw = Callable[[str], np.random.Generator]
Others = Mapping[str, tuple[str, ...]]


class TrainTexts:
    """Token ids of the captions of a split, as text transforms and noise leave them.

    Args:
        captions: N captions.
        store: tokenises them, once.
        transforms: change them anew in every sample, in order.
        others: of each caption, what further annotation files have for it; only transforms that mix read it.
        changer: knows which tokens may be changed; needed for noise.
        noise: probability that a token is masked, replaced or deleted, after all transforms.

    Attributes:
        caption_id_N: (N,) int64, as in the annotation file.
    """

    def __init__(
        self,
        captions: Sequence[Caption],
        store: TextStore,
        transforms: Sequence[TextTransform] = (),
        others: Sequence[Others] = (),
        changer: TokenChanger | None = None,
        noise: float = 0.0,
    ) -> None:
        self._table, self._tokenizer = store.table(captions), store.tokenizer
        self.caption_id_N = self._table.caption_id_M
        self._transforms, self._others = tuple(transforms), others
        self._texts = [caption.text for caption in captions] if transforms else []
        self._changer, self._noise = changer, noise

    def tokens(self, caption: int, role: str, draw: Draw) -> tuple[np.ndarray, int]:
        """Padded ids (T,) of a caption, and how many of them are real.

        Args:
            caption: its position.
            role: what the sample shows it as; captions of other roles are changed otherwise.
            draw: purpose -> the sample's generator for it.

        Raises:
            ConfigError: if a transform returns what is no caption.
        """
        ids_T, length = self._table.ids_MT[caption], int(self._table.length_M[caption])
        if self._transforms:
            ids_T, length = self._transformed(caption, role, draw, ids_T, length)
        if self._changer is not None and self._noise:
            rng = draw("text noise" if role == QUERY else f"text noise {role}")
            ids_T, length = self._changer.noise(ids_T, length, rng, self._noise)
        return ids_T, length

    def _transformed(
        self, caption: int, role: str, draw: Draw, ids_T: np.ndarray, length: int
    ) -> tuple[np.ndarray, int]:
        steps = [(step, draw(f"text {role} {position}")) for position, step in enumerate(self._transforms)]
        text, others = self._texts[caption], self._others[caption] if self._others else {}
        for step, rng in steps:
            text = step.rewrite(text, others, rng)
            if not isinstance(text, str) or is_blank(text):
                raise ConfigError(
                    f"data.text_transforms: {type(step).__name__} made {text!r} of {self._texts[caption]!r}"
                )
        if text != self._texts[caption]:
            rows, lengths = self._tokenizer.arrays([text])
            ids_T, length = rows[0], int(lengths[0])
        shown = ids_T[:length]
        for step, rng in steps:
            changed = np.asarray(step.change(shown, rng))
            if changed.ndim != 1 or not 0 < len(changed) <= len(shown) or changed.dtype.kind not in "iu":
                raise ConfigError(
                    f"data.text_transforms: {type(step).__name__} made {changed.dtype} of shape {changed.shape} of "
                    f"{len(shown)} token ids; expected at least 1 and no more ids"
                )
            shown = changed
        out_T = np.full_like(ids_T, self._tokenizer.pad_id)
        out_T[: len(shown)] = shown
        return out_T, len(shown)


def captions_elsewhere(
    pairs: Sequence[tuple[ImageRecord, Caption]], files: Sequence[Annotations], role: str
) -> Sequence[Others]:
    """What further annotation files have for each caption: name of the file -> captions.

    Those that say that they were made from the caption; where none does, all captions of its image.

    Args:
        pairs: captions, each with its image.
        files: annotation files over the same images.
        role: of the captions in the files.

    Raises:
        DataError: if a file belongs to other annotations, or has no captions of this role for these images.
    """
    found: list[dict[str, tuple[str, ...]]] = [{} for _ in pairs]
    for file in files:
        for position, (record, caption) in enumerate(pairs):
            own = [other for other in matching(record, file).captions if other.role == role]
            made = [other for other in own if other.derived_from == caption.sha256]
            found[position][file.path.stem] = tuple(other.text for other in made or own)
        if not any(others[file.path.stem] for others in found):
            raise DataError(
                f"{file.path}: no captions of the role {role!r} for the training images (data.more_captions)"
            )
    return found
