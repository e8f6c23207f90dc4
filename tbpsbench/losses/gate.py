"""Regularisation of the disentangling gate: the term that section 4.2 of the BDAM paper names but does not define."""

from __future__ import annotations

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("gate",))
class GateRegularization(Loss):
    """mean((g - 0.5)^2): keep the gate from closing either stream. 0 .. 0.25; the published systems weigh it by 0.01.

    Args:
        gate: name of the gate's values, (B, D), each between 0 and 1.
    """

    balanced = False

    def __init__(self, gate: str = "gate") -> None:
        super().__init__()
        self.gate = gate

    def forward(self, features: Features, batch: Batch) -> LossOutput:  # noqa: ARG002
        """The mean over the joined batch of all processes; `per_sample` is each pair's mean over widths."""
        gate_BD = at_least_float32(features[self.gate])
        return LossOutput.mean(gather_rows((gate_BD - 0.5).square().mean(dim=1)))
