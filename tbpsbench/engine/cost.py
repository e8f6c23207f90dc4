"""What a model costs: parameters, floating-point operations, memory."""

from __future__ import annotations

import resource
from typing import Any

import torch

from tbpsbench.compat import counted_flops
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.model.base import SearchModel
from tbpsbench.model.exported import ExportedModel
from tbpsbench.model.modes import evaluating
from tbpsbench.types import Tokens


@torch.no_grad()
def model_cost(model: SearchModel, data: EvaluationData, split: str = "test") -> dict[str, Any]:
    """Parameters and FLOPs of embedding one image and one text of full length.

    FLOPs are those of matrix products, convolutions and attention, a multiply-add counted as two
    (torch.utils.flop_counter).
    """
    if isinstance(model, ExportedModel):
        return dict(model.cost)
    device = model.device
    image_13HW = torch.zeros(1, 3, *data.size, device=device)
    length = data.tokenizer.max_length
    tokens = Tokens(
        torch.ones(1, length, dtype=torch.long, device=device), torch.ones(1, length, dtype=torch.bool, device=device)
    )
    texts = dict.fromkeys(data.gallery(split).roles, tokens)
    with evaluating(model):
        with counted_flops() as image_flops:
            model.encode_gallery(image_13HW, texts)
        with counted_flops() as text_flops:
            model.encode_query(tokens)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "image_flops": image_flops.get_total_flops(),
        "text_flops": text_flops.get_total_flops(),
    }


def peak_memory() -> dict[str, int]:
    """Largest memory of this process so far in bytes: resident on the host, allocated on the GPU if there is one."""
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if torch.cuda.is_available():
        peak["gpu"] = torch.cuda.max_memory_allocated()
    return peak
