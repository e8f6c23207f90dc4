"""Image-text matching with hard negatives (ALBEF, Li et al. 2021, section 3.2).

Shapes: B pairs of this process, P pairs that are judged, M pairs that have a negative, T words, L image tokens,
D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from tbpsbench.distributed import gather_rows, sum_over_processes
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.layers.pair_encoder import PairEncoder
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("image", "text", "text_mask", "image_vector", "text_vector", "pid"))
class ITM(Loss):
    """Train a cross-encoder to tell pairs from near misses; the re-ranker `ImageTextMatching` asks it.

    For each image a text, and for each text an image, of another person is drawn from the batch, the more similar the
    likelier. Each process draws from its own pairs; the value is the mean over the pairs of all processes.

    Args:
        dims: feature name -> width, supplied by the model.
        image: tokens of the image, (B, L, D).
        text, text_mask: tokens of the text, (B, T, D), and which of them are there, (B, T).
        image_vector, text_vector: what tells which pairs are similar, (B, D).
        dim, depth, heads: of the cross-encoder.
        temperature: divides the cosines before negatives are drawn; > 0.

    Raises:
        ValueError: if a size or `temperature` is not positive.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "image.tokens",
        text: str = "text.query.tokens",
        text_mask: str = "text.query.mask",
        image_vector: str = "heads.global.image",
        text_vector: str = "heads.global.text",
        dim: int = 256,
        depth: int = 2,
        heads: int = 4,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        require_positive(temperature=temperature, dim=dim)
        self.image, self.text, self.text_mask = image, text, text_mask
        self.image_vector, self.text_vector, self.temperature = image_vector, text_vector, temperature
        self.encoder = PairEncoder(dims[text], dims[image], dim, depth, heads)

    def match(self, text_PTD: Tensor, mask_PT: Tensor, image_PLD: Tensor) -> Tensor:
        """(P, 2) logits of pairs: "does not match", "matches"."""
        logits_P2: Tensor = self.encoder(text_PTD, mask_PT, image_PLD)
        return logits_P2

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes: cross-entropy of each pair and of up to two that do not match.

        `per_sample` has one value per pair of the joined batch.
        """
        image_BLD, text_BTD = (at_least_float32(features[name]) for name in (self.image, self.text))
        mask_BT, rows_B = features[self.text_mask], torch.arange(len(batch), device=batch.pid_B.device)
        other_BB = batch.pid_B[:, None] != batch.pid_B
        has_B = other_BB.any(dim=1)
        similar_BB = self._similar(features, other_BB)
        text_B, image_B = (_drawn(scores_BB, has_B) for scores_BB in (similar_BB, similar_BB.T))
        asked_P = torch.cat([rows_B, text_B[has_B], rows_B[has_B]])
        shown_P = torch.cat([rows_B, rows_B[has_B], image_B[has_B]])
        logits_P2 = self.match(text_BTD[asked_P], mask_BT[asked_P], image_BLD[shown_P])
        label_P = torch.zeros_like(asked_P)
        label_P[: len(rows_B)] = 1
        loss_P = cross_entropy(logits_P2, label_P, reduction="none")
        matched_B, wrong_M = loss_P[: len(rows_B)], loss_P[len(rows_B) :].unflatten(0, (2, -1)).sum(dim=0)
        loss_B = matched_B.index_add(0, rows_B[has_B], wrong_M) / 3
        right_P = (logits_P2.detach().argmax(dim=1) == label_P).to(loss_P.dtype)
        # Processes judge different numbers of pairs, so shares cannot be averaged.
        right, judged = sum_over_processes(torch.stack([right_P.sum(), torch.ones_like(right_P).sum()]))
        return LossOutput.mean(gather_rows(loss_B), accuracy=right / judged)

    @torch.no_grad()
    def _similar(self, features: Features, other_BB: Tensor) -> Tensor:
        """(B, B) image x text logits of the draw, minus infinity within a person."""
        image_BD, text_BD = (
            normalize(at_least_float32(features[name]), dim=-1) for name in (self.image_vector, self.text_vector)
        )
        return (image_BD @ text_BD.T / self.temperature).masked_fill(~other_BB, -torch.inf)


def _drawn(scores_BB: Tensor, has_B: Tensor) -> Tensor:
    """(B,) one column of each row, in proportion to its softmax; 0 where a row has none."""
    drawn_B = torch.zeros(len(scores_BB), dtype=torch.long, device=scores_BB.device)
    if has_B.any():
        drawn_B[has_B] = torch.multinomial(scores_BB[has_B].softmax(dim=1), 1).squeeze(1)
    return drawn_B
