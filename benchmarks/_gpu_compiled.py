"""The definitions under torch.compile, against ours: compiled all at once in as many processes, then timed in turn.

Compiling takes a processor many seconds and the GPU none; so every process compiles its own, waits for the others, and
takes its turn. Sizes are known to the compiler.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import threading
from typing import Any

import torch
from _device import Device, name_of
from _forks import Emit, Row, Task, said, tail
from _gpu_checks import relative_error
from _gpu_races import OTHERS_ERROR
from _kernel_jobs import JOBS, Job, Size, step

from tbpsbench.kernels.dispatch import VARIABLE

JOBS_COMPILED = ("InfoNCE", "SDM", "TAL", "HSIC")
SIZES: tuple[Size, ...] = ({"N": 8192, "D": 512}, {"N": 64, "D": 512})
# Longest that one waits for the others' compilers, in seconds.
PATIENCE = 60.0


def tasks(kind: str, tiny: bool) -> list[Task]:
    """One for each job, dtype and size; they must all run at the same time."""
    sizes: tuple[Size, ...] = ({"N": 9, "D": 8},) if tiny else SIZES
    dtypes = (torch.float32,) if tiny else (torch.bfloat16, torch.float32)
    cases = [
        (JOBS[name], dtype, size) for size in sizes for name in JOBS_COMPILED[: 1 if tiny else None] for dtype in dtypes
    ]
    context = multiprocessing.get_context("fork")
    ready, turn = context.Barrier(len(cases)), context.Lock()
    return [
        Task(
            f"{job.name}, {name_of(dtype)}, {size}",
            "compiled",
            functools.partial(_race, job, dtype, size, kind, ready, turn),
        )
        for job, dtype, size in cases
    ]


def _race(job: Job, dtype: torch.dtype, size: Size, kind: str, ready: Any, turn: Any, emit: Emit) -> None:
    row: Row = {"section": "compiled", "job": job.name, "dtype": name_of(dtype), "size": size, "arms": {}}
    try:
        if kind == "cuda":
            os.environ[VARIABLE] = "triton"
        import torch._inductor.config as settings

        settings.compile_threads = 1
        measured = Device(kind)
        inputs = job.make(size, dtype, measured.device, 0)
        compiled = torch.compile(job.textbook, dynamic=False, backend="aot_eager" if kind == "cpu" else "inductor")
        expected, found = step(job.ours, inputs), step(compiled, inputs)
        error = max(relative_error(a, b) for a, b in zip(found, expected, strict=True))
        del expected, found
        with contextlib.suppress(threading.BrokenBarrierError):
            ready.wait(PATIENCE)
        with turn:
            for name, loss in (("ours", job.ours), ("compiled", compiled)):
                work = functools.partial(step, loss, inputs)
                row["arms"][name] = {"ms": measured.median_ms(work), "peak_mb": measured.peak_mb(work)}
        if not error <= OTHERS_ERROR:
            row["arms"]["compiled"] = {"failed": f"another result, relative error {error:.1e}"}
    except Exception as error:
        ready.abort()
        row |= {"failed": said(error), "traceback": tail()}
    emit(row)
