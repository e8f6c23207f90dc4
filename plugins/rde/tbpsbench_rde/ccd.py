"""Confident consensus division, CCD (Qin et al. 2024, RDE, section 3.2): before every epoch, which pairs to trust.

Shapes: B pairs of a global batch, N training pairs, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tbpsbench.data.randomness import sample_rng
from tbpsbench.distributed import gather_rows
from tbpsbench.engine.hooks import Hook, RunState
from tbpsbench.errors import ConfigError
from tbpsbench.registry import HOOKS, LOSSES
from tbpsbench_rde.mixture import call_clean, clean_probability, consensus

# The pass draws order and augmentation of its own, as in the released code: those of an epoch that is never trained.
EPOCHS_AWAY = 1_000_000


@HOOKS.register()
class CCD(Hook):
    """Give every training pair the weight 1 (clean) or 0 (noisy) that losses with `pair_weights=True` multiply by.

    One pass over the shuffled, augmented training loader, in evaluation mode and without gradient, collects every
    pair's losses. For each of them a mixture of two Gaussians parts clean from noisy pairs; where the losses agree that
    decides, elsewhere a coin does, thrown anew every epoch. A pair that the sampler leaves out keeps its weight.
    With `data.noise`, which knows the truth, the log says how good the division is: `clean_kept` and `noisy_dropped`
    are shares of the true pairs and of those with another person's caption. By chance the two sum to one.

    Args:
        losses: names of the model's losses that judge, one per head; each must give per-sample values. Some loss of the
            model must multiply by the weights: it says so in its attribute `pair_weights`.
        first_epoch: the first epoch (counted from 1) that is preceded by a division.
        max_iter, tol, reg_covar: of the mixture. Published: 10, 1e-2, 5e-4; but 100, 1e-4, 1e-6 on RSTPReid and where
            more than 40 % of the captions were shuffled.
        oracle: take the truth that `data.noise` knows in place of a division: the best that any division could do, to
            tell a bad division from losses that noise hurts anyway. Never for a result.

    Raises:
        ValueError: if no loss is named or a number is not positive.
    """

    def __init__(
        self,
        losses: tuple[str, ...] = ("bge", "tse"),
        first_epoch: int = 1,
        max_iter: int = 10,
        tol: float = 1e-2,
        reg_covar: float = 5e-4,
        *,
        oracle: bool = False,
    ) -> None:
        in_range = 0 < tol < math.inf and 0 <= reg_covar < math.inf
        if not losses or first_epoch < 1 or max_iter < 1 or not in_range:
            raise ValueError(
                f"losses ({losses}) must not be empty, first_epoch ({first_epoch}), max_iter ({max_iter}) and tol "
                f"({tol}) positive, reg_covar ({reg_covar}) not negative, all finite"
            )
        self.losses, self.first_epoch = tuple(losses), first_epoch
        self.max_iter, self.tol, self.reg_covar, self.oracle = max_iter, tol, reg_covar, oracle
        self._weight_N: torch.Tensor | None = None

    def before_epoch(self, state: RunState) -> None:
        """Divide the training pairs, unless it is too early.

        Raises:
            ConfigError: if a loss is not there, or none of the model multiplies by the weights; also when it is early.
        """
        self._require_losses(state.model.losses)
        train = state.data.train
        weight_N = train.pair_weight.numpy().copy() if self._weight_N is None else self._weight_N.float().numpy()
        if state.epoch + 1 >= self.first_epoch:
            loss_HN = self._judge(state)
            seen_N = np.isfinite(loss_HN).all(axis=0)
            if not seen_N.any():
                raise ConfigError("hooks: CCD found no pair with a finite loss: training has diverged")
            divided_N = self._divide(state, loss_HN[:, seen_N])
            weight_N[seen_N] = ~train.caption_is_foreign[seen_N] if self.oracle else divided_N
            state.log["clean_share"] = float(weight_N[seen_N].mean())
            state.log.update(_division_quality(weight_N[seen_N], train.caption_is_foreign[seen_N]))
            self._weight_N = torch.from_numpy(weight_N).to(torch.float32)
        train.set_pair_weight(weight_N)

    def _require_losses(self, losses: nn.ModuleDict) -> None:
        if unknown := [name for name in self.losses if name not in losses]:
            raise ConfigError(f"hooks: CCD.losses names {unknown[0]!r}; the losses are {', '.join(losses)}")
        if not any(_multiplies(loss) for loss in losses.values()):
            flags = " and ".join(f"model.losses.{name}.pair_weights=True" for name in self.losses)
            deaf = ", ".join(f"{name} ({type(losses[name]).__name__})" for name in self.losses)
            raise ConfigError(
                f"hooks: CCD gives pairs weights that no loss of the model multiplies by: {deaf}. Set {flags}, where "
                "the loss has this flag, or remove the hook."
            )

    def _divide(self, state: RunState, loss_HN: np.ndarray) -> np.ndarray:
        """Weights (N,) of the pairs that were seen."""
        rng = sample_rng(state.seed, state.epoch, 0, "consensus division")
        clean = []
        for name, loss_N in zip(self.losses, loss_HN, strict=True):
            start = int(rng.integers(2**31))
            clean.append(call_clean(clean_probability(loss_N, self.max_iter, self.tol, self.reg_covar, start)))
            state.log[f"clean_share_{name}"] = float(clean[-1].mean())
        return consensus(np.stack(clean), rng)

    @torch.no_grad()
    def _judge(self, state: RunState) -> np.ndarray:
        """Every pair's losses (H, N) float64; NaN for pairs that the sampler leaves out."""
        model, data = state.model, state.data
        loss_HN = np.full((len(self.losses), len(data.train)), np.nan)
        device, was_training = next(model.parameters()).device, model.training
        model.eval()
        data.set_epoch(EPOCHS_AWAY + state.epoch)
        try:
            for batch in data.loader:
                moved = batch.to(device)
                with state.autocast():
                    outputs = model(moved)
                # Losses see the joined batch of all processes, so every process learns about every pair.
                index_B = gather_rows(moved.sample_index_B).cpu().numpy()
                for row_N, name in zip(loss_HN, self.losses, strict=True):
                    _store(row_N, index_B, outputs[name].per_sample, name)
        finally:
            data.set_epoch(state.epoch)
            model.train(was_training)
        return loss_HN

    def state_dict(self) -> dict[str, Any]:
        """The weights, for pairs that the next division may leave out."""
        return {} if self._weight_N is None else {"weight": self._weight_N}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back the weights; they are set before the next epoch."""
        self._weight_N = state.get("weight")


def _multiplies(loss: nn.Module) -> bool:
    """Whether a loss multiplies by the pairs' weights: as it says itself, or as a plug-in's is registered."""
    known = (LOSSES.entry(name) for name in LOSSES.names() if not LOSSES.is_builtin(name))
    declared = any(entry.cls is type(loss) and "pair_weight" in entry.requires for entry in known)
    return bool(getattr(loss, "pair_weights", declared))


def _division_quality(weight_N: np.ndarray, foreign_N: np.ndarray) -> dict[str, float]:
    """How much of the true pairs is kept and of the others dropped; empty where no caption was shuffled."""
    if not foreign_N.any() or foreign_N.all():
        return {}
    kept, dropped = weight_N[~foreign_N].mean(), 1 - weight_N[foreign_N].mean()
    return {"clean_kept": float(kept), "noisy_dropped": float(dropped)}


def _store(row_N: np.ndarray, index_B: np.ndarray, value_B: torch.Tensor | None, name: str) -> None:
    """Note each pair's first value: an incomplete last batch may be filled up with pairs that were seen before."""
    if value_B is None:
        raise ConfigError(f"hooks: CCD.losses names {name!r}, which gives no value per pair")
    # Of several places in one batch that show the same pair the first counts, too: it is written last.
    places = np.flatnonzero(np.isnan(row_N[index_B]))[::-1]
    row_N[index_B[places]] = value_B.double().cpu().numpy()[places]
