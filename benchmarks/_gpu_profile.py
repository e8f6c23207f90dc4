"""Where the time goes: the longest kernels of a large batch; launches and the device's own time of short calls."""

from __future__ import annotations

import functools
import os

import torch
from _device import Device, name_of
from _forks import Emit, Row, Task, said, tail
from _kernel_jobs import JOBS, Loss, Size, step

from tbpsbench.kernels.dispatch import VARIABLE

HALF, SINGLE = torch.bfloat16, torch.float32
USUAL: Size = {"N": 64, "D": 512}
LONGEST = 8
COUNTED = ("HSIC", "InfoNCE", "SDM", "TAL", "batch-hard triplets")
# Where a call is so short that Python's own time is what a clock sees.
SHORT: tuple[tuple[str, torch.dtype, Size], ...] = (
    *((name, dtype, USUAL) for dtype in (HALF, SINGLE) for name in COUNTED),
    *(("HSIC", dtype, {"N": rows, "D": 512}) for rows in (8192, 32768) for dtype in (HALF, SINGLE)),
)
LARGE: tuple[tuple[str, torch.dtype, Size], ...] = (
    ("SDM", HALF, {"N": 16384, "D": 512}),
    ("InfoNCE", HALF, {"N": 16384, "D": 512}),
    ("HSIC", HALF, {"N": 8192, "D": 512}),
    ("selective scan", SINGLE, {"B": 16, "L": 512, "E": 512, "S": 16}),
    ("batch-hard triplets", HALF, {"N": 8192, "D": 512}),
)


def tasks(kind: str, tiny: bool) -> list[Task]:
    """One task: the profiler is slow to start."""
    return [Task("profile", "profile", functools.partial(profile, kind, tiny))]


def profile(kind: str, tiny: bool, emit: Emit) -> None:
    """Emit the longest kernels of ours at large sizes, then launches and device time of all arms of short calls."""
    measured = Device(kind)
    if measured.cuda:
        os.environ[VARIABLE] = "triton"
    large = [(name, SINGLE, {"N": 9, "D": 8}) for name in ("SDM",)] if tiny else LARGE
    cases: list[tuple[str, torch.dtype, Size, str]] = [(*case, "ours") for case in large]
    for name, dtype, size in () if tiny else SHORT:
        arms = ["ours", *(["textbook"] if size == USUAL else []), *JOBS[name].others()]
        cases += [(name, dtype, size, arm) for arm in arms]
    for name, dtype, size, arm in cases:
        row: Row = {"section": "profile", "job": name, "dtype": name_of(dtype), "size": size, "arm": arm}
        try:
            job = JOBS[name]
            loss: Loss = ({"ours": job.ours, "textbook": job.textbook} | job.others())[arm]
            inputs = job.make(size, dtype, measured.device, 0)
            # In a training step the gradient comes from what is done with the loss; here filling it would be counted.
            first = torch.ones_like(step(loss, inputs)[0])
            found = measured.kernels(functools.partial(step, loss, inputs, first))
            longest = sorted(found.items(), key=lambda item: -item[1][1])[:LONGEST]
            row |= {"launches": sum(count for count, _ in found.values()), "first_gradient": "given"}
            row |= {"device_ms": sum(us for _, us in found.values()) / 1e3}
            row |= {"kernels": [[kernel, count, us] for kernel, (count, us) in longest]}
        except Exception as error:
            row |= {"failed": said(error), "traceback": tail()}
        emit(row)
