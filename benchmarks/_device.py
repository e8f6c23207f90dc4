"""Time, memory and launches of a function on a GPU, or, for trying a benchmark out, on a CPU."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

Work = Callable[[], Any]
MOST_REPEATS = 50
LONG = 1.0
# A product this large runs at the rate of the card; so does a copy this large.
PRODUCT, COPY = 8192, 1 << 28


class Device:
    """A device that is measured.

    Times are medians over calls that follow each other, caches as the call before left them; on a GPU between CUDA
    events, so that a call that launches many small kernels costs what it costs a training loop.

    Args:
        kind: "cuda" (the current device) or "cpu".
    """

    def __init__(self, kind: str) -> None:
        self.cuda = kind == "cuda"
        self.device = torch.device("cuda", torch.cuda.current_device()) if self.cuda else torch.device("cpu")

    def synchronize(self) -> None:
        """Wait for everything that was launched; raises what a kernel did wrong."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def median_ms(self, work: Work, seconds: float = 0.15) -> float:
        """Median milliseconds of a call, after two that are not timed; one that takes over a second is timed once.

        Args:
            seconds: about how long to measure; at least three calls, at most 50.
        """
        spent = 0.0
        for _ in range(2):
            start = time.perf_counter()
            work()
            self.synchronize()
            spent = time.perf_counter() - start
        repeats = min(MOST_REPEATS, max(3 if spent < LONG else 1, int(seconds / max(spent, 1e-6))))
        if not self.cuda:
            found = []
            for _ in range(repeats):
                start = time.perf_counter()
                work()
                found.append(1e3 * (time.perf_counter() - start))
            return statistics.median(found)
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
        marks[0].record()
        for mark in marks[1:]:
            work()
            mark.record()
        self.synchronize()
        return statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(marks))

    def peak_mb(self, work: Work) -> float | None:
        """Most memory in use during a call beyond what was in use before it, in MB; None on a CPU."""
        if not self.cuda:
            return None
        self.synchronize()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        self.synchronize()
        return (torch.cuda.max_memory_allocated(self.device) - before) / 1e6

    def kernels(self, work: Work) -> dict[str, tuple[int, float]]:
        """Name -> launches and microseconds of every kernel and memory operation of a call; empty on a CPU."""
        if not self.cuda:
            return {}
        work()
        self.synchronize()
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            work()
            self.synchronize()
        found: dict[str, tuple[int, float]] = {}
        for event in profile.events():
            if event.device_type == torch.autograd.DeviceType.CUDA:
                count, spent = found.get(event.name, (0, 0.0))
                found[event.name] = count + 1, spent + event.time_range.elapsed_us()
        return found

    def rates(self, product: int = PRODUCT, copy: int = COPY) -> dict[str, float]:
        """What this device reaches: TFLOP/s of a square matrix product in bf16 and float32, TB/s of a copy.

        Args:
            product: rows of the matrices.
            copy: bytes; read and written bytes both count.
        """
        found = {}
        for dtype in (torch.bfloat16, torch.float32):
            a, b = torch.randn(2, product, product, device=self.device, dtype=dtype).unbind()
            ms = self.median_ms(lambda a=a, b=b: a @ b)  # type: ignore[misc]
            found[f"{name_of(dtype)}_tflops"] = 2 * product**3 / ms / 1e9
        source = torch.ones(copy, device=self.device, dtype=torch.uint8)
        target = torch.empty_like(source)
        found["copy_tb_s"] = 2 * copy / self.median_ms(lambda: target.copy_(source)) / 1e9
        return found

    def facts(self) -> dict[str, Any]:
        """Name and size of the device, and what runs on it."""
        found: dict[str, Any] = {"device": "cpu", "torch": torch.__version__, "cuda": torch.version.cuda}
        if self.cuda:
            of = torch.cuda.get_device_properties(self.device)
            found |= {"device": of.name, "capability": f"{of.major}.{of.minor}", "memory_gb": of.total_memory / 1e9}
        try:
            import triton

            found["triton"] = triton.__version__
        except ImportError:
            found["triton"] = None
        return found


def name_of(dtype: torch.dtype) -> str:
    """E.g. "float32"."""
    return str(dtype).removeprefix("torch.")
