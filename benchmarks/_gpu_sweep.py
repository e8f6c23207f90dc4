"""Which tile shapes are fastest on this device: every candidate in the place of a kernel's table, forward and backward.

A candidate stands in for what the table's function answers at one size, or for a constant: the sizes of blocks, how
many programs there should be, how tiles are gone through. The other tables stay as they are. Compiling takes seconds
each, so all candidates are compiled first, in many processes at once; then they are timed one by one. A candidate whose
result differs from that of the shipped tile is called wrong and has no time.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from _device import Device, name_of
from _forks import Emit, Row, Task, said, tail
from _gpu_checks import relative_error
from _kernel_jobs import JOBS, Size, step

from tbpsbench.kernels.dispatch import VARIABLE

Shape = tuple[int, ...]
# Two tiles add up in another order; bf16 gradients are rounded once more.
SAME_ENOUGH = {torch.float32: 1e-4, torch.bfloat16: 2e-2}


class Knob(NamedTuple):
    """A table of tiles at one size.

    Attributes:
        module: where the launcher looks the function up, below tbpsbench.kernels.
        function: its name. Or the name of a constant.
        job, dtype, size: what is timed.
        shapes: candidates, as arguments of what the function answers with or of the constant's class.
        answer: the class that the function answers with.
    """

    module: str
    function: str
    job: str
    dtype: torch.dtype
    size: Size
    shapes: tuple[Shape, ...]
    answer: str = "Tile"

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.module}.{self.function}, {self.job}, {name_of(self.dtype)}, {self.size}"


HALF, SINGLE = torch.bfloat16, torch.float32
MANY, WIDE, USUAL = {"N": 16384, "D": 512}, {"N": 16384, "D": 256}, {"N": 64, "D": 512}
MOST = {"N": 32768, "D": 512}
# Descriptors have one box for both sides: as many columns as rows.
SQUARE = (
    (128, 128, 64, 4, 3), (128, 128, 64, 4, 2), (128, 128, 64, 8, 3), (128, 128, 64, 8, 4), (128, 128, 32, 4, 4),
    (64, 64, 64, 4, 4), (64, 64, 128, 4, 3), (128, 128, 128, 8, 2),
)  # fmt: skip
# Rows, bytes, bytes of a block of all columns; programs at once.
BLOCKS = tuple((rows, size << 20, 64 << 20) for rows in (2048, 4096, 8192) for size in (32, 48, 56, 64, 128))
PROGRAMS = ((132,), (264,), (528,), (1056,))
# Directions in one pass; loops made one; parts of a tile. Two passes whose loops are one were no faster.
WAYS = tuple((*way, split) for way in ((False, False), (True, False), (True, True)) for split in (1, 2, 4))
FEW_STATISTICS = (
    (16, 64, 64, 4, 3), (16, 64, 128, 4, 3), (16, 64, 512, 4, 2), (16, 32, 64, 4, 3), (16, 32, 128, 2, 3),
    (16, 16, 128, 1, 3), (16, 64, 32, 4, 4), (32, 64, 64, 4, 3),
)  # fmt: skip
FEW_GRADIENT = (
    (16, 32, 64, 4, 2, 128), (16, 64, 64, 4, 2, 64), (16, 64, 128, 4, 2, 128), (16, 32, 64, 4, 3, 64),
    (16, 64, 128, 4, 3, 64), (16, 32, 128, 4, 2, 256), (32, 64, 64, 4, 3, 64),
)  # fmt: skip
CROSS = (
    (128, 128, 64, 8, 3), (128, 128, 64, 8, 4), (128, 128, 64, 4, 3), (128, 64, 64, 4, 4), (64, 128, 64, 4, 4),
    (64, 64, 64, 4, 4), (128, 256, 64, 8, 3), (128, 128, 128, 8, 2), (64, 64, 128, 4, 3),
)  # fmt: skip
# Rows of channels of a warp, forward and backward.
SCAN = ((1, 1), (2, 1), (1, 2), (2, 2), (4, 2), (2, 4), (4, 4), (8, 4))
HARDEST = {
    HALF: (
        (128, 128, 64, 8, 3), (128, 128, 64, 8, 4), (128, 128, 64, 4, 3), (128, 64, 64, 4, 4), (64, 128, 64, 4, 4),
        (128, 256, 64, 8, 3), (64, 64, 64, 4, 4),
    ),
    SINGLE: ((64, 64, 32, 4, 3), (64, 64, 32, 8, 3), (128, 64, 32, 8, 3), (64, 128, 16, 8, 3), (128, 128, 16, 8, 3)),
}  # fmt: skip
FEW_HARDEST = ((32, 64, 64, 4, 3), (32, 32, 32, 4, 3), (16, 64, 64, 4, 3), (16, 32, 128, 2, 3), (64, 64, 64, 4, 3))
FEW = tuple((64, 64, k, warps, stages) for k in (32, 64, 128) for warps in (4, 8, 16) for stages in (2, 3))


def knobs() -> Iterator[Knob]:
    """Every table, at the sizes that matter."""
    at = "contrastive.triton"
    for job in ("SDM", "InfoNCE", "InfoNCE, identities", "TAL"):
        yield Knob(at, "statistics_tile", job, HALF, MANY, SQUARE)
    for job, size in (("SDM", MANY), ("InfoNCE", MANY), ("TAL", MANY), ("InfoNCE", WIDE)):
        yield Knob("contrastive.triton_blocks", "gradient_tile", job, HALF, size, SQUARE)
    for job in ("SDM", "InfoNCE", "InfoNCE, identities", "TAL"):
        yield Knob("contrastive.triton_passes", "way_of_statistics", job, HALF, MOST, WAYS, "Way")
    for job in ("SDM", "InfoNCE"):
        yield Knob("contrastive.triton_blocks", "USUAL", job, HALF, MOST, BLOCKS)
        yield Knob("contrastive.triton_blocks", "PROGRAMS", job, HALF, MOST, PROGRAMS)
        yield Knob("contrastive.triton_passes", "PROGRAMS", job, HALF, MOST, PROGRAMS)
    for dtype in (HALF, SINGLE):
        yield Knob(at, "statistics_tile", "SDM", dtype, USUAL, FEW_STATISTICS)
        yield Knob(at, "gradient_tile", "SDM", dtype, USUAL, FEW_GRADIENT)
    for function in ("cross_tile", "backward_tile"):
        yield Knob("hsic.triton_launch", function, "HSIC", HALF, {"N": 8192, "D": 512}, CROSS)
    yield Knob("hsic.triton_few", "few_tile", "HSIC", HALF, USUAL, FEW)
    yield Knob("hsic.triton_few", "few_tile", "HSIC", SINGLE, USUAL, FEW[:12])
    for dtype in (HALF, SINGLE):
        yield Knob("triplet.triton_launch", "hardest_tile", "batch-hard triplets", dtype, MANY, HARDEST[dtype])
        yield Knob("triplet.triton_launch", "hardest_tile", "batch-hard triplets", dtype, USUAL, FEW_HARDEST)
    for dtype in (SINGLE, HALF):
        sequence = {"B": 64, "L": 257, "E": 512, "S": 16}
        yield Knob("selective_scan.triton_launch", "tile_for", "selective scan", dtype, sequence, SCAN)


def sweep(
    kind: str, tiny: bool, jobs: int, run: Callable[[list[Task], str, int], None], tables: str | None = None
) -> None:
    """Compile all, then time all; one row for each candidate.

    Args:
        tables: only those whose name holds this.
    """
    found = [knob for knob in knobs() if _exists(knob) and (tables or "") in knob.name]
    if tiny:
        small = {"size": {"N": 20, "D": 8}, "shapes": ((16, 16, 16, 4, 2),), "dtype": SINGLE}
        found = [knob._replace(**small) for knob in found[:2]]
    if kind == "cuda":
        every = [(knob, shape) for knob in found for shape in knob.shapes]
        parts = [every[start::jobs] for start in range(jobs)]
        compiling = [Task(f"part {i}", "compiling", functools.partial(_compile, part)) for i, part in enumerate(parts)]
        run(compiling, "compiling", jobs)
    folders = dict.fromkeys(knob.module for knob in found)
    of = {folder: [knob for knob in found if knob.module == folder] for folder in folders}
    run([Task(folder, "sweep", functools.partial(_time_all, of[folder], kind)) for folder in folders], "sweep", 1)


def _exists(knob: Knob) -> bool:
    try:
        return hasattr(importlib.import_module(f"tbpsbench.kernels.{knob.module}"), knob.function)
    except ImportError:
        return False


def _put(knob: Knob, shape: Shape) -> Any:
    """Let the table answer with this shape; returns what it answered before."""
    module = importlib.import_module(f"tbpsbench.kernels.{knob.module}")
    before = getattr(module, knob.function)
    if callable(before):
        tile = getattr(module, knob.answer)(*shape)
        setattr(module, knob.function, lambda *_, **__: tile)
    else:
        setattr(module, knob.function, type(before)(*shape))
    return before


def _compile(part: list[tuple[Knob, Shape]], _: Emit) -> None:
    """Run each once; what fails does so again when it is timed, and is reported then."""
    os.environ[VARIABLE] = "triton"
    for knob, shape in part:
        before, job = _put(knob, shape), JOBS[knob.job]
        try:
            step(job.ours, job.make(knob.size, knob.dtype, torch.device("cuda"), 0))
            torch.cuda.synchronize()
        except Exception:
            print(f"{knob.name} {shape}: {tail()}")
        finally:
            _restore(knob, before)


def _restore(knob: Knob, before: Any) -> None:
    setattr(importlib.import_module(f"tbpsbench.kernels.{knob.module}"), knob.function, before)


def _time_all(knobs: list[Knob], kind: str, emit: Emit) -> None:
    if kind == "cuda":
        os.environ[VARIABLE] = "triton"
    for knob in knobs:
        try:
            _time(knob, kind, emit)
        except Exception as error:
            emit({"section": "sweep", "task": knob.name, "failed": said(error), "traceback": tail()})


def _time(knob: Knob, kind: str, emit: Emit) -> None:
    measured, job = Device(kind), JOBS[knob.job]
    inputs = job.make(knob.size, knob.dtype, measured.device, 0)
    first: Row = {"section": "sweep", "table": f"{knob.module}.{knob.function}", "job": job.name}
    first |= {"dtype": name_of(knob.dtype), "size": knob.size}
    expected = step(job.ours, inputs)
    work = functools.partial(step, job.ours, inputs)
    emit(first | {"tile": "shipped", "ms": measured.median_ms(work, seconds=0.1)})
    for shape in knob.shapes:
        before = _put(knob, shape)
        row = first | {"tile": shape}
        try:
            error = max(relative_error(a, b) for a, b in zip(step(job.ours, inputs), expected, strict=True))
            if error <= SAME_ENOUGH[knob.dtype]:
                row |= {"ms": measured.median_ms(work, seconds=0.1)}
            else:
                row |= {"failed": f"wrong, differs by {error:.1e}"}
        except Exception as error:
            row |= {"failed": said(error), "traceback": tail()}
        finally:
            _restore(knob, before)
        emit(row)
