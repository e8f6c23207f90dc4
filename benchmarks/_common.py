"""What every benchmark shares: arguments, the environment, peak memory of one job, one JSON object at the end.

A benchmark is run as `python benchmarks/NAME.py [--json]`; with `--json` the last line of standard output is one JSON
object with the keys `name`, `environment`, `ratios` (what a target is stated in) and the raw values.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "tbpsbench")


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser with the options that every benchmark has: `--json` and `--threads`."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--json", action="store_true", help="print one JSON object last, on one line")
    arguments.add_argument("--threads", type=int, default=1, help="threads of every arm (default 1)")
    return arguments


def environment(threads: int | None = None) -> dict[str, Any]:
    """Processor, memory, load, threads and versions, as found."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gb": round(meminfo("MemTotal") / 1e9, 1),
        "available_gb": round(meminfo("MemAvailable") / 1e9, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
    }


def installed(package: str) -> str | None:
    """Version of an installed package, None if it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Model name and the widest vector instructions, from /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = found.get("flags", "").split()
    widest = next((name for name in ("amx_tile", "avx512f", "avx2", "avx", "sse4_2") if name in flags), "")
    return f"{found.get('model name', platform.machine())} ({widest})"


def meminfo(key: str) -> int:
    """One line of /proc/meminfo in bytes, 0 where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)


def peak_bytes() -> int:
    """Largest resident size of this process so far, or since `forget_peak`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # It begins with the size of the process that started this one, and cannot be reset.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Let `peak_bytes` begin anew from what the process holds now; where the system does not offer that, nothing."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def best_of(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Shortest wall time in seconds over `repeats` calls, and what the last call returned."""
    best, value = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        value = function()
        best = min(best, time.perf_counter() - start)
    return best, value


def peak_extra_bytes(prepare: Callable[[], Any], function: Callable[[Any], Any]) -> tuple[Any, int]:
    """Run `function(prepare())` in a fresh process; return its value and the peak memory beyond what `prepare` made.

    The peak is the growth of the largest resident size after `prepare` has returned; where the largest size cannot be
    forgotten (not on Linux), a lower bound if `prepare`, or an import, needed more than it left behind. Both callables
    and the value are pickled: use functions of a module or `functools.partial` of them.

    Raises:
        RuntimeError: if the process dies, with its exit code (137 or -9: killed for memory).
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(prepare, function, sender))
    process.start()
    sender.close()
    try:
        value, extra = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the measured process ended with exit code {process.exitcode}") from None
    process.join()
    if isinstance(value, BaseException):
        raise value
    return value, extra


def _measure(prepare: Callable[[], Any], function: Callable[[Any], Any], sender: Any) -> None:
    try:
        made = prepare()
        forget_peak()
        before = peak_bytes()
        value: Any = function(made)
        sender.send((value, peak_bytes() - before))
    except BaseException as error:
        sender.send((error, 0))


def finish(result: dict[str, Any], as_json: bool) -> None:
    """Print the result: a readable listing, then, if asked, one JSON object on the last line."""
    print(f"{result.get('name', 'benchmark')}:", file=sys.stderr if as_json else sys.stdout)
    for key, value in result.items():
        print(f"  {key}: {value}", file=sys.stderr if as_json else sys.stdout)
    if as_json:
        sys.stdout.flush()
        print(json.dumps(result, allow_nan=False), flush=True)
