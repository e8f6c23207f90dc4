"""Self-checks on the device: values and gradients against the definitions in float64, and the same bits twice."""

from __future__ import annotations

import functools
import os

import torch
from _device import name_of
from _forks import Emit, Row, Task, said, tail
from _kernel_jobs import JOBS, Inputs, Job, Size, step
from torch import Tensor

from tbpsbench.kernels import counting, dispatch
from tbpsbench.kernels.counting import naive

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


# Checked at every size in float32 and bf16; other losses of their families, and float16, at the first two.
MAIN = ("InfoNCE", "SDM", "TAL", "HSIC", "batch-hard triplets", "selective scan")


def sizes(job: Job, dtype: torch.dtype, tiny: bool = False) -> list[Size]:
    """Odd ones, a real model's width and one of no whole 16 bytes, and a few more rows than a tile."""
    if job.kernel == "selective_scan":
        shapes = ((3, 67, 96, 16), (2, 5, 7, 3), (16, 257, 512, 16), (1, 1, 5, 4))
        found = [dict(zip("BLES", shape, strict=True)) for shape in (shapes[1::2] if tiny else shapes)]
    else:
        many = ((67, 40), (1030, 512), (64, 512), (1030, 764))
        few = ((5, 7), (19, 24))
        # Many processes share the memory here.
        most = job.oracle_rows // 3
        found = [{"N": min(rows, most), "D": width} for rows, width in (few if tiny else many)]
    return found if job.name in MAIN and dtype != torch.float16 else found[:2]


def tasks(device: str, tiny: bool = False) -> list[Task]:
    """One for each job and dtype, those that take longest first."""
    pairs = [(job, dtype) for dtype in DTYPES[: 1 if tiny else None] for job in JOBS.values()]
    pairs.sort(key=lambda pair: -len(sizes(*pair)))
    found = [
        Task(f"{job.name}, {name_of(dtype)}", "checks", functools.partial(check, job, dtype, device, tiny=tiny))
        for job, dtype in pairs
    ]
    return [*found, Task("counts, float32", "checks", functools.partial(check_counts, device, tiny=tiny))]


def check_counts(kind: str, emit: Emit, *, tiny: bool = False) -> None:
    """Emit one row for each size of what exact ranks are counted from: every count must be right."""
    if kind == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        os.environ[dispatch.VARIABLE] = "triton"
    for rows, gallery, most in ((5, 37, 3), *(() if tiny else ((512, 19848, 40), (67, 4099, 1)))):
        generator = torch.Generator().manual_seed(rows)
        # Sixteen bits, so that thousands of entries of a row tie.
        scores_BG = torch.randn(rows, gallery, generator=generator).half().float()
        number_B = torch.randint(0, most + 1, (rows,), generator=generator)
        edge_B1 = torch.cat([torch.zeros(1, dtype=torch.int64), number_B.cumsum(0)])
        row_M = torch.repeat_interleave(torch.arange(rows), number_B)
        threshold_M = scores_BG[row_M, torch.randint(0, gallery, (len(row_M),), generator=generator)]
        row: Row = {
            "section": "checks",
            "job": "counts",
            "dtype": "float32",
            "size": {"B": rows, "G": gallery},
            "ok": False,
        }
        try:
            scores, threshold, edge = (x.to(kind) for x in (scores_BG, threshold_M, edge_B1))
            found, again = (counting.counts(scores, threshold, edge, int(number_B.max())) for _ in range(2))
            expected = naive.counts(scores_BG, threshold_M, edge_B1)
            wrong = sum(int((a.cpu() != b).sum()) for a, b in zip(found, expected, strict=True))
            same = all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
            share = wrong / max(1, 2 * len(row_M))
            row |= {"errors": [share], "plain_errors": [0.0], "same_bits": same, "ok": same and not wrong}
        except Exception as error:
            row |= {"failed": said(error), "traceback": tail()}
        emit(row)
    for choice in dispatch.report():
        emit({"section": "choices", **choice._asdict()})


def check(job: Job, dtype: torch.dtype, kind: str, emit: Emit, *, tiny: bool = False) -> None:
    """Emit one row for each size: the errors, and whether all is well."""
    device = torch.device(kind)
    if kind == "cuda":
        # Fresh memory is filled with NaN.
        torch.use_deterministic_algorithms(True, warn_only=True)
        os.environ[dispatch.VARIABLE] = "triton"
    first: Row = {"section": "checks", "job": job.name, "dtype": name_of(dtype)}
    for number, size in enumerate(sizes(job, dtype, tiny)):
        row = first | {"size": size, "ok": False}
        try:
            try:
                row |= compare(job, size, dtype, device, seed=number)
            except dispatch.KernelError as error:
                row |= {"refused": said(error)}
                # What follows shows where the kernel is wrong.
                dispatch._verdicts.update(dict.fromkeys(dispatch._verdicts))
                row |= compare(job, size, dtype, device, seed=number) | {"ok": False}
        except Exception as error:
            row |= {"failed": said(error), "traceback": tail()}
        emit(row)
    for choice in dispatch.report():
        emit({"section": "choices", **choice._asdict()})


def compare(job: Job, size: Size, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Row:
    """Errors of value and gradients against float64, what is allowed, and whether two runs give the same bits."""
    inputs = job.make(size, dtype, device, seed)
    oracle = step(job.textbook, in_float64(inputs))
    found, again = step(job.ours, inputs), step(job.ours, inputs)
    plain = step(job.plain or job.textbook, inputs)
    errors = [relative_error(a, b) for a, b in zip(found, oracle, strict=True)]
    plain_errors = [relative_error(a, b) for a, b in zip(plain, oracle, strict=True)]
    limits = [allowed(dtype, error) for error in plain_errors]
    same = all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    within = all(error <= limit for error, limit in zip(errors, limits, strict=True))
    return {"errors": errors, "plain_errors": plain_errors, "same_bits": same, "ok": within and same}


def in_float64(inputs: Inputs) -> Inputs:
    """Copies in float64 of what is floating point."""
    return [
        x.detach().double().requires_grad_(x.requires_grad) if torch.is_tensor(x) and x.is_floating_point() else x
        for x in inputs
    ]


def relative_error(found: Tensor, oracle: Tensor) -> float:
    """||found - oracle|| / ||oracle||; 1e30 where something is not finite."""
    found, oracle = found.detach().double(), oracle.detach().double()
    if not torch.isfinite(found).all():
        return 1e30
    return float((found - oracle).norm() / (oracle.norm() or 1.0))


def allowed(dtype: torch.dtype, plain_error: float) -> float:
    """Largest error of a kernel, given that of the definition in the same dtype."""
    half = dtype in (torch.bfloat16, torch.float16)
    return 1.5 * min(plain_error, 1.0) + 1e-3 if half else max(2 * min(plain_error, 1.0), 1e-5)
