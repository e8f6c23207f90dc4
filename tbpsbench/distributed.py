"""Several processes: joining them, sharing work, and bringing rows of tensors together without pickling.

The global batch is the rows of all processes, with gradients back to the process that they came from. Every process
computes the same loss of the joined batch. The backward pass sums the gradients that all processes have for a row;
together with DDP's averaging the parameters get the gradient of one process on the joined batch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tbpsbench.errors import TrainingError
from tbpsbench.processes import end_with_starter

MAX_SHOWN = 6
_NO_GRADIENT = re.compile(r"did not receive grad for rank \d+: ([\d ]+)")


def rank_and_world() -> tuple[int, int]:
    """(rank, number of processes); (0, 1) where nothing is initialised."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def world_size() -> int:
    """Number of processes, 1 where nothing is initialised."""
    return rank_and_world()[1]


def join_processes() -> bool:
    """Join the group that `torchrun` describes, if it does; returns whether there are several processes."""
    if dist.is_initialized():
        return dist.get_world_size() > 1
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return False
    end_with_starter()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return True


def share(count: int) -> range:
    """Positions that this process works on: every world-th, starting at its rank."""
    rank, world = rank_and_world()
    return range(rank, count, world)


def gather_shares(own_ND: Tensor, count: int) -> Tensor:
    """Put the rows that the processes made for their `share` back in order: (count, D) on every process.

    Rows travel as one tensor; gathering Python objects of row views takes minutes for a few hundred rows.
    """
    _, world = rank_and_world()
    if world == 1:
        return own_ND
    longest = -(-count // world)
    padded = own_ND.new_zeros(longest, *own_ND.shape[1:])
    padded[: len(own_ND)] = own_ND
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    return torch.stack(parts, dim=1).flatten(0, 1)[:count]


def ddp_config() -> dict[str, Any]:
    """mmengine's wrapper for several processes; its default names a GPU, which a CPU process does not have."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    return {"type": "MMDistributedDataParallel", "device_ids": devices, "broadcast_buffers": False}


@contextmanager
def names_without_gradient(model: nn.Module) -> Iterator[None]:
    """Say by name what torch says by number: parameters that no loss reaches, which several processes cannot train.

    Raises:
        TrainingError: in the place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if found := _NO_GRADIENT.search(str(error)):
            raise _without_gradient(found[1], model) from None
        raise


def _without_gradient(numbers: str, model: nn.Module) -> TrainingError:
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    lacking = [names[number] for number in map(int, numbers.split()) if number < len(names)]
    return TrainingError(
        f"{len(lacking)} trainable parameters got no gradient, which several processes cannot have: "
        f"{', '.join(lacking[:MAX_SHOWN])}{', ...' if len(lacking) > MAX_SHOWN else ''}. Leave out the part that "
        "nothing trains, freeze it (param_groups=dict(type='PatternGroups', "
        "rules=[dict(pattern='...', frozen=True)])), or train with one process."
    )


def first_says(answer: bool) -> bool:
    """The first process' answer to a question that processes may see differently, such as whether a file is there."""
    if world_size() == 1:
        return answer
    told = torch.tensor([int(answer)], device="cuda" if torch.cuda.is_available() else "cpu")
    dist.broadcast(told, 0)
    return bool(told.item())


@torch.no_grad()
def share_buffers(module: nn.Module) -> None:
    """Give all processes the first one's buffers, as it saves them.

    Statistics that a process gathers over its own rows (those of torch's batch norm) would otherwise differ: each would
    evaluate its share with another model, and a resumed run would go on from other buffers than an uninterrupted one.
    """
    if world_size() == 1:
        return
    for buffer in module.buffers():
        if buffer.numel():
            # As bytes: gloo does not know every type.
            raw = buffer.detach().clone(memory_format=torch.contiguous_format)
            dist.broadcast(raw.reshape(-1).view(torch.uint8), 0)
            buffer.copy_(raw)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        ctx.rows = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].contiguous().clone()
        dist.all_reduce(grad)
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows]


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate (B, ...) of all processes in rank order to (world_size * B, ...); differentiable where float.

    Raises:
        RuntimeError: if processes hold different numbers of rows (the sampler gives each the same).
    """
    if world_size() == 1:
        return rows
    joint_rows(rows)
    return _Gather.apply(rows)  # type: ignore[no-any-return]


def joint_rows(rows: Tensor) -> int:
    """Number of rows of the joined batch.

    Raises:
        RuntimeError: if processes hold different numbers of rows (the sampler gives each the same).
    """
    if world_size() == 1:
        return len(rows)
    count = torch.tensor([len(rows), -len(rows)], device=rows.device)
    dist.all_reduce(count, op=dist.ReduceOp.MAX)
    if count[0] != -count[1]:
        raise RuntimeError(f"processes hold between {-count[1]} and {count[0]} rows; losses need equal shares")
    return len(rows) * world_size()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004
        total = value.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ARG004
        grad = grads[0].contiguous().clone()
        dist.all_reduce(grad)
        return grad


def sum_over_processes(value: Tensor) -> Tensor:
    """Add up a tensor of equal shape over all processes; differentiable where float.

    The sum feeds every process' loss, so its gradient is summed, too, in the same sense as that of `gather_rows`.
    """
    return value if world_size() == 1 else _Sum.apply(value)  # type: ignore[no-any-return]


def largest_over_processes(number: int, device: torch.device | str | None = None) -> int:
    """The largest of a number that every process has one of."""
    if world_size() == 1:
        return number
    value = torch.tensor(number, device=device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return int(value)


def mean_over_processes(values: Tensor) -> Tensor:
    """Mean of a tensor that every process has; a new tensor, without gradients."""
    return sum_over_processes(values.detach().clone()) / world_size()
