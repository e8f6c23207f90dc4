"""GradNorm (Chen et al. 2018) in the form of BDAM, eq. 5 and 6, with the original's as options.

Shapes: K balanced losses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from tbpsbench.balancers.adam import BufferAdam
from tbpsbench.balancers.base import Balancer, balanced_tasks, fixed_weights
from tbpsbench.balancers.layer import layer_parameters
from tbpsbench.balancers.projection import scale_into
from tbpsbench.distributed import mean_over_processes
from tbpsbench.errors import ConfigError
from tbpsbench.layers.ranges import require_not_negative, require_positive
from tbpsbench.registry import BALANCERS
from tbpsbench.types import LossOutput

# Gradients are measured of the loss times this: exact in float32, and far from where half precision rounds to zero.
LIFT = 1024.0


@BALANCERS.register()
class GradNorm(Balancer):
    """Weigh losses so that each moves a shared layer as much as its progress asks for.

    With G_k the norm of the gradient of w_k L_k on the layer, r_k = (L_k / L_k^0) / their mean, and G_ref the norm of
    the first loss, the weights w_k = exp(s_k) follow the gradient of alpha sum_k |G_k - r_k G_ref| + penalty
    sum_k s_k^2 by an Adam of their own. Targets are constants. This objective moves s alone, and the sum of weighted
    losses moves the network alone; so the value returned is that sum, and eq. 6 is it plus the logged `gradnorm`.
    After each update the weights are scaled and clipped so that they sum to K within the bounds, and s is set to them.

    Several processes measure the gradient of the joined batch, so their weights are those of one process. Parameters'
    `.grad` stays untouched. Every measurement costs one backward pass per loss down to the layer: choose the last one
    that all losses share.

    Args:
        names: names of the losses, supplied by the model.
        balanced: which of them are balanced by default, supplied by the model; HSIC and gate terms are not.
        layer: the shared layer: path of a module ("image_encoder.vit.layers.-1") or parameter, or a regular expression
            on names of parameters.
        balance: losses that are balanced, the first being the reference; None: all but regularisers.
        weights: constant weights of the others, 1 where not named.
        alpha: strength of the objective (BDAM; what the original calls alpha is `restoring_force`).
        lr: learning rate of s.
        penalty: lambda, strength of sum_k (log w_k)^2.
        reference: G_ref is the norm of the "first" loss (BDAM) or the "mean" of all (original).
        restoring_force: exponent of r_k: 1 in the BDAM paper, 1.5 in the original.
        bounds: smallest and largest weight.
        floor: smallest L_k / L_k^0 that counts, and smallest loss that is taken for L_k^0: a loss near zero would let
            the ratios explode.
        interval: measure and move the weights at every so many batches. With gradient accumulation, set it to
            `runtime.accumulate`: the weights then stay the same within an optimiser step.

    Raises:
        ValueError: for names that are no losses, or numbers out of range.
    """

    log_weight_K: Tensor
    initial_K: Tensor
    batches: Tensor

    def __init__(
        self,
        names: tuple[str, ...],
        balanced: tuple[str, ...],
        layer: str,
        balance: list[str] | None = None,
        weights: dict[str, float] | None = None,
        alpha: float = 1.5,
        lr: float = 0.025,
        penalty: float = 1e-3,
        *,
        reference: Literal["first", "mean"] = "first",
        restoring_force: float = 1.0,
        bounds: tuple[float, float] = (1e-4, 10.0),
        floor: float = 1e-3,
        interval: int = 1,
    ) -> None:
        super().__init__()
        if not 0 < bounds[0] <= 1 <= bounds[1] < math.inf:
            raise ValueError(
                f"bounds need 0 < low <= 1 <= high, both finite, or weights cannot sum to their number; got {bounds}"
            )
        require_not_negative(alpha=alpha, penalty=penalty, restoring_force=restoring_force)
        require_positive(floor=floor, interval=interval)
        self.tasks = balanced_tasks(names, balanced, balance, weights)
        self.fixed = fixed_weights(names, weights, self.tasks)
        self.layer, self.alpha, self.penalty = layer, alpha, penalty
        self.reference, self.restoring_force = reference, restoring_force
        self.bounds, self.floor, self.interval = bounds, floor, interval
        self.register_buffer("log_weight_K", torch.zeros(len(self.tasks)))
        # 0 until a loss has been above the floor.
        self.register_buffer("initial_K", torch.zeros(len(self.tasks)))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.adam = BufferAdam(len(self.tasks), lr)
        self._shared: tuple[nn.Parameter, ...] = ()

    def attach(self, model: nn.Module) -> None:
        """Find the shared layer.

        Raises:
            ConfigError: if the model has no such layer; names what it has.
        """
        self._shared = tuple(layer_parameters(model, self.layer, "model.balancer.layer").values())

    def forward(self, losses: Mapping[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, with the weights from before this batch; then the weights learn from it."""
        weight_K = self.log_weight_K.exp()
        weights: dict[str, Tensor | float] = {**self.fixed, **dict(zip(self.tasks, weight_K, strict=True))}
        total = torch.stack([weights[name] * loss.value for name, loss in losses.items()]).sum()
        log = {f"weight_{name}": weight for name, weight in zip(self.tasks, weight_K, strict=True)}
        if self.training and torch.is_grad_enabled():
            self.batches += 1
            if int(self.batches) % self.interval == 0:
                log |= self._learn([losses[name].value for name in self.tasks], weight_K)
        return total, log

    def _learn(self, values: list[Tensor], weight_K: Tensor) -> dict[str, Tensor]:
        """One step of the weights."""
        norm_K = weight_K * torch.stack(
            [self._norm(value, name) for value, name in zip(values, self.tasks, strict=True)]
        )
        # Equal already where losses see the joined batch; a plug-in's may not.
        loss_K = mean_over_processes(torch.stack([value.detach().float() for value in values]))
        log = {f"gradient_{name}": norm for name, norm in zip(self.tasks, norm_K, strict=True)}
        reference = norm_K[0] if self.reference == "first" else norm_K.mean()
        # Overflown half precision is no news.
        if not (norm_K.sum() + loss_K.sum()).isfinite():
            return log
        self.initial_K.copy_(torch.where((self.initial_K == 0) & (loss_K > self.floor), loss_K, self.initial_K))
        # Nor is a batch that the reference learns nothing from.
        if reference == 0:
            return log
        ratio_K = torch.where(self.initial_K > 0, loss_K / self.initial_K, 1.0).clamp(min=self.floor)
        deviation_K = norm_K - (ratio_K / ratio_K.mean()) ** self.restoring_force * reference
        objective = self.alpha * deviation_K.abs().sum() + self.penalty * self.log_weight_K.square().sum()
        # d G_k / d s_k = G_k, for w_k = exp(s_k).
        gradient_K = self.alpha * deviation_K.sign() * norm_K + 2 * self.penalty * self.log_weight_K
        self.adam.step(self.log_weight_K, gradient_K)
        self.log_weight_K.copy_(scale_into(self.log_weight_K.exp(), *self.bounds).log())
        return {**log, "gradnorm": objective}

    def _norm(self, value: Tensor, name: str) -> Tensor:
        """Norm of the gradient of one loss, of the joined batch, on the shared layer; a float32 scalar.

        Raises:
            ConfigError: if the layer is not trained, or the loss does not depend on it.
        """
        shared = [parameter for parameter in self._shared if parameter.requires_grad]
        if not shared:
            why = "is frozen by param_groups" if self._shared else "is unknown: attach(model) was not called"
            raise ConfigError(f"model.balancer.layer: {self.layer!r} {why}; name a layer that is trained")
        found: Sequence[Tensor | None] = [None] * len(shared)
        if value.requires_grad:
            lift = torch.full_like(value, LIFT)
            found = torch.autograd.grad(value, shared, lift, retain_graph=True, allow_unused=True)
            if all(grad is None for grad in found):
                raise ConfigError(
                    f"model.balancer.layer: the loss {name!r} does not depend on {self.layer!r}; name a layer that all "
                    f"balanced losses share ({', '.join(self.tasks)}), or list the losses that do in balance"
                )
        parts = [torch.zeros_like(p) if grad is None else grad for p, grad in zip(shared, found, strict=True)]
        # Processes' gradients are averaged, not their norms: only so the norm is that of the joined batch.
        return mean_over_processes(torch.cat([part.flatten().float() for part in parts])).norm() / LIFT
