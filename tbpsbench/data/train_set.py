"""The training set: one item per pair of an image and a caption, as everywhere in the field.

Everything random about an item is drawn from (seed, epoch, index); see randomness.py.

Shapes: N pairs, T tokens of one text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tbpsbench.annotations import Annotations
from tbpsbench.data.extras import Extras
from tbpsbench.data.images import ImageReader
from tbpsbench.data.masking import TokenChanger
from tbpsbench.data.noise import check_permutation
from tbpsbench.data.randomness import sample_rng
from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.texts import TextStore, records_of, role_texts
from tbpsbench.data.train_texts import Draw, TrainTexts, captions_elsewhere
from tbpsbench.errors import DataError
from tbpsbench.model.roles import MASKED, QUERY, caption_roles, of_training
from tbpsbench.types import Sample, Tokens

Transform = Callable[[Tensor, np.random.Generator], Tensor]


class TrainSet(Dataset[Sample]):
    """Pairs of a split, in the order of the annotation file.

    Epoch and pair weights live in shared memory: `set_epoch` and `set_pair_weight` reach loader workers that are
    already running (persistent_workers=True), too. Call them between two passes over the loader.

    Args:
        annotations: the data set with its query captions.
        texts: tokenises them.
        images: decoded images by image_id.
        transform: (uint8 image, generator) -> float32 image, e.g. a Compose.
        seed: of everything random; >= 0.
        split: the images to train on.
        extra: further caption files over the same images, e.g. descriptions with the roles identity and clothing; a
            text of each of their roles goes with every pair, drawn if an image has several.
        masked_tokens: also give the query caption with masked tokens, in the role "masked", with labels.
        mask_shared: mask the query caption itself (IRRA's released code); both roles then hold the same tokens.
        text_noise: probability that a token of the query caption is masked, replaced or deleted (RDE: 0.2); 0..1.
        caption_permutation: (N,) which pair's caption every pair shows (see noise.py); pids and images stay.
        pair_role: role of the captions that make the pairs.
        own_roles: take texts of other roles from the caption file itself, too.
        views: name -> transform of a further view of the image.
        captions_per_sample: captions of the pair's image in a sample, from 1: the pair's own in the role "query",
            others in the roles "query_2", ..., drawn without repeats as far as the image has others.
        text_transforms: change every caption of a sample, in order.
        more_captions: caption files over the same images that text transforms may show captions of.
        extras: what else samples carry of their images.

    Attributes:
        pids: (N,) int64 training labels, 0 .. num_ids - 1, for samplers.
        num_ids: number of identities.
        source_pids: (num_ids,) the data set's own number of each label.
        pair_weight: (N,) float32, shared; change it with `set_pair_weight`.

    Raises:
        DataError: if the split has no images or no captions, or the extra files do not fit.
    """

    def __init__(
        self,
        annotations: Annotations,
        texts: TextStore,
        images: ImageReader,
        transform: Transform,
        *,
        seed: int = 0,
        split: str = "train",
        extra: Sequence[Annotations] = (),
        masked_tokens: bool = False,
        mask_shared: bool = False,
        text_noise: float = 0.0,
        caption_permutation: np.ndarray | None = None,
        pair_role: str = QUERY,
        own_roles: bool = False,
        views: Mapping[str, Transform] | None = None,
        captions_per_sample: int = 1,
        text_transforms: Sequence[TextTransform] = (),
        more_captions: Sequence[Annotations] = (),
        extras: Extras | None = None,
    ) -> None:
        records = records_of(annotations, split)
        pairs = [(i, c) for i, record in enumerate(records) for c in record.captions if c.role == pair_role]
        if not pairs:
            raise DataError(f"{annotations.path}: no captions of the role {pair_role!r} in the split {split!r}")
        self.seed, self.images, self.transform = seed, images, transform
        self.views, self.extras = dict(views or {}), extras
        self.masked_tokens, self.mask_shared = masked_tokens, mask_shared
        self._changer = TokenChanger(texts.tokenizer) if masked_tokens or text_noise else None
        captions = [caption for _, caption in pairs]
        shown = [(records[i], caption) for i, caption in pairs] if more_captions else []
        others = captions_elsewhere(shown, more_captions, pair_role)
        self._texts = TrainTexts(captions, texts, text_transforms, others, self._changer, text_noise)
        sources = [*([annotations] if own_roles else []), *extra]
        self.roles = role_texts(records, sources, texts, (QUERY, pair_role), needed={i for i, _ in pairs})
        if made := sorted(filter(of_training, self.roles)):
            raise DataError(f"the role {made[0]!r} is one that the training data make themselves: name it otherwise")
        self.caption_roles = caption_roles(captions_per_sample)
        self._record = np.array([i for i, _ in pairs], dtype=np.int64)
        self._first = np.searchsorted(self._record, np.arange(len(records) + 1))
        self.image_ids = np.array([record.image_id for record in records], dtype=np.int64)[self._record]
        pids = np.array([record.pid for record in records], dtype=np.int64)[self._record]
        self.source_pids, self.pids = np.unique(pids, return_inverse=True)
        self.num_ids = len(self.source_pids)
        self._caption_of = np.arange(len(pairs))
        if caption_permutation is not None:
            self._caption_of = check_permutation(np.asarray(caption_permutation), len(pairs))
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.pair_weight = torch.ones(len(pairs)).share_memory_()

    def __len__(self) -> int:
        return len(self._record)

    @property
    def epoch(self) -> int:
        """The epoch whose randomness is drawn."""
        return int(self._epoch)

    @property
    def caption_is_foreign(self) -> np.ndarray:
        """(N,) bool: which pairs show another person's caption, by `caption_permutation`. Training must not read it."""
        return self.pids[self._caption_of] != self.pids

    def set_epoch(self, epoch: int) -> None:
        """Draw the randomness of `epoch` (>= 0) from now on."""
        self._epoch.fill_(epoch)

    def set_pair_weight(self, weight_N: np.ndarray | Tensor) -> None:
        """Give every pair the weight that its samples carry.

        Raises:
            ValueError: if the shape is wrong or a weight is negative or not finite.
        """
        weight = torch.as_tensor(weight_N, dtype=torch.float32)
        if weight.shape != (len(self),) or not bool(torch.isfinite(weight).all()) or bool((weight < 0).any()):
            raise ValueError(f"expected {len(self)} finite weights of at least 0, got shape {tuple(weight.shape)}")
        self.pair_weight.copy_(weight)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        image_id, record = int(self.image_ids[index]), int(self._record[index])
        draw = partial(sample_rng, self.seed, self.epoch, index)
        raw = self.images[image_id]
        # Transforms may write into what they are given, and the first view takes the picture itself.
        views = {name: see(raw.clone(), draw(f"image {name}")) for name, see in self.views.items()}
        image = self.transform(raw, draw("image"))
        caption = int(self._caption_of[index])
        texts, masked = self._query(caption, draw)
        if self.roles:
            rng = draw("roles")
            for role, role_table in self.roles.items():
                row = role_table.pick(record, rng)
                ids, length = role_table.table.ids_MT[row], role_table.table.length_M[row]
                texts[role] = _tokens(ids, int(length))
        texts |= masked
        if len(self.caption_roles) > 1:
            texts |= self._further(index, draw)
        return Sample(
            image_3HW=image,
            texts=texts,
            pid=int(self.pids[index]),
            image_id=image_id,
            caption_id=int(self._texts.caption_id_N[caption]),
            sample_index=index,
            pair_weight=float(self.pair_weight[index]),
            views=views,
            extras=self.extras.of(record) if self.extras is not None else {},
        )

    def _query(self, caption: int, draw: Draw) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
        """The caption in the role "query", and in the role "masked" where tokens are to be masked."""
        ids_T, length = self._texts.tokens(caption, QUERY, draw)
        if self._changer is None or not self.masked_tokens:
            return {QUERY: _tokens(ids_T, length)}, {}
        masked_T, labels_T = self._changer.mask(ids_T, draw("mask"))
        masked = _tokens(masked_T, length)
        masked.labels = _int64(labels_T)
        if not self.mask_shared:
            return {QUERY: _tokens(ids_T, length)}, {MASKED: masked}
        return {QUERY: masked}, {MASKED: replace(masked, copy_of=QUERY)}

    def _further(self, index: int, draw: Draw) -> dict[str, Tokens]:
        """Captions of the image's other pairs in random order; where there are too few, from the start again."""
        low, high = self._first[self._record[index] : self._record[index] + 2]
        others = [pair for pair in range(low, high) if pair != index]
        order = [index, *draw("captions").permutation(others).tolist()] if others else [index]
        found = {}
        for number, role in enumerate(self.caption_roles[1:], start=1):
            pair = order[number % len(order)]
            found[role] = _tokens(*self._texts.tokens(int(self._caption_of[pair]), role, draw))
        return found


def _tokens(ids_T: np.ndarray, length: int) -> Tokens:
    mask_T = torch.zeros(len(ids_T), dtype=torch.bool)
    mask_T[:length] = True
    return Tokens(_int64(ids_T), mask_T)


def _int64(ids_T: np.ndarray) -> Tensor:
    return torch.from_numpy(ids_T.astype(np.int64))
