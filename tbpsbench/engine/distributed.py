"""Several processes: joining them, and bringing rows of tensors together without pickling."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def join_processes() -> bool:
    """Join the group that `torchrun` describes, if it does; returns whether there are several processes."""
    if dist.is_initialized():
        return dist.get_world_size() > 1
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return False
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return True


def rank_and_world() -> tuple[int, int]:
    """(rank, number of processes)."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


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
