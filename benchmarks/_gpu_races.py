"""Every kernel against its definition and what others offer, over sizes and dtypes.

No speed is reported where the result is wrong: at the size itself where the definition fits in float64, otherwise at
the largest of that width and dtype where it does.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _kernel_peers
import torch
from _device import Device, name_of
from _forks import Emit, Row, said, tail
from _gpu_checks import compare, in_float64, relative_error
from _kernel_jobs import JOBS, Inputs, Job, Loss, Size, raised, step

from tbpsbench.kernels.dispatch import VARIABLE

# Another's result is a result up to this error (tf32 and bf16 included); a wrong one gets no time.
OTHERS_ERROR = 5e-2
Plan = tuple[Job, torch.dtype, Size]
# Rows and width; samples, positions, channels and states.
MAIN = ((32768, 512), (8192, 512), (64, 512))
FURTHER = ((512, 512), (2048, 512), (65536, 512), (8192, 256), (8192, 768), (32768, 256), (32768, 768))
SEQUENCES = ((16, 512, 1024, 16), (64, 257, 512, 16), (64, 1, 1024, 16))
# Section -> its jobs, and whether each is raced at further sizes.
RACED = {
    "contrastive": {"InfoNCE": True, "SDM": True, "TAL": False, "InfoNCE, identities": False},
    "hsic": {"HSIC": True, "HSIC, RBF": False},
    "triplet": {"batch-hard triplets": True},
    "scan": {"selective scan": True},
}


def plan(section: str, quick: bool = False, tiny: bool = False) -> Iterator[Plan]:
    """What to race, the most telling sizes of all jobs first."""
    if tiny:
        small: list[Size] = [{"B": 2, "L": 5, "E": 6, "S": 3}] if section == "scan" else [{"N": 9, "D": 8}]
        yield from ((JOBS[name], torch.float32, size) for name in RACED[section] for size in small)
        return
    if section == "scan":
        sizes = [dict(zip("BLES", shape, strict=True)) for shape in SEQUENCES]
    else:
        sizes = [{"N": rows, "D": width} for rows, width in (MAIN if quick else MAIN + FURTHER)]
    for size in sizes:
        for name, further in RACED[section].items():
            if further or size in sizes[: len(MAIN)]:
                yield from ((JOBS[name], dtype, size) for dtype in (torch.bfloat16, torch.float32))


def race(section: str, kind: str, rates: Row, emit: Emit, *, quick: bool = False, tiny: bool = False,
         mamba: Path | None = None) -> None:  # fmt: skip
    """Emit one row for each job, dtype and size."""
    _kernel_peers.mamba_file = mamba
    measured, verified = Device(kind), dict[tuple[Any, ...], bool]()
    if measured.cuda:
        # An error is better than a time of something else.
        os.environ[VARIABLE] = "triton"
    for job, dtype, size in plan(section, quick, tiny):
        row: Row = {"section": section, "job": job.name, "dtype": name_of(dtype), "size": size, "arms": {}}
        try:
            _race(job, dtype, size, measured, verified, row, rates)
        except Exception as error:
            row |= {"failed": said(error), "traceback": tail()}
        emit(row)


def _race(job: Job, dtype: torch.dtype, size: Size, measured: Device, verified: dict[tuple[Any, ...], bool], row: Row,
          rates: Row) -> None:  # fmt: skip
    largest = _oracle_size(job, size)
    key = (job.name, dtype, *largest.items())
    if key not in verified:
        found = compare(job, largest, dtype, measured.device)
        verified[key] = found["ok"]
        row["correct"] = found | {"at": largest}
        _clear(measured)
    if not verified[key]:
        row["failed"] = "not correct, so no speed"
        return
    inputs = job.make(size, dtype, measured.device, 0)
    arms: dict[str, Loss] = {"ours": job.ours}
    if size.get("N", 0) <= job.textbook_rows:
        arms["textbook"] = job.textbook
        if dtype != torch.float32 and job.plain is None:
            arms["textbook in float32"] = lambda *x: job.textbook(*map(raised, x))
    arms |= job.others()
    expected = step(job.textbook, in_float64(inputs)) if largest == size else step(job.ours, inputs)
    for name, loss in arms.items():
        row["arms"][name] = _measure(measured, name, loss, inputs, expected)
        _clear(measured)
    ms = row["arms"]["ours"].get("ms")
    if ms and job.work(size):
        row["share_of_product"] = job.work(size) / ms / 1e9 / rates[f"{name_of(dtype)}_tflops"]
    if ms:
        row["share_of_copy"] = job.traffic(size) * dtype.itemsize / ms / 1e9 / rates["copy_tb_s"]


def _measure(measured: Device, name: str, loss: Loss, inputs: Inputs, expected: list[torch.Tensor]) -> Row:
    """Time and peak memory of one arm; or why there is none."""
    try:
        found = step(loss, inputs)
        error = max(relative_error(a, b) for a, b in zip(found, expected, strict=True))
        if name != "ours" and not error <= OTHERS_ERROR:
            return {"failed": f"another result, relative error {error:.1e}", "error": error}
        del found
        work = functools.partial(step, loss, inputs)
        return {"error": error, "ms": measured.median_ms(work), "peak_mb": measured.peak_mb(work)}
    except torch.OutOfMemoryError:
        return {"failed": "out of memory"}
    except Exception as error:
        return {"failed": said(error), "traceback": tail()}


def _oracle_size(job: Job, size: Size) -> Size:
    """The same size where its definition in float64 fits, otherwise one with fewer rows."""
    return size | {"N": min(size["N"], job.oracle_rows)} if "N" in size else size


def _clear(measured: Device) -> None:
    if measured.cuda:
        torch.cuda.empty_cache()
