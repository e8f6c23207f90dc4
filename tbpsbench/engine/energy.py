"""Energy of a run, where the machine tells: RAPL counters of the processor, NVML counters of NVIDIA cards."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules since it was made: processor packages and the GPUs in use.

    Args:
        root: where Linux shows its RAPL counters.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._root = root
        self._start = self._counters()

    def joules(self) -> float | None:
        """Joules so far, None where nothing can be read. Whatever else runs on the machine is counted, too."""
        now = self._counters()
        shared = [name for name in self._start if name in now]
        if not shared:
            return None
        total = 0.0
        for name in shared:
            used = now[name][0] - self._start[name][0]
            total += used if used >= 0 else used + now[name][1]  # the counter has wrapped around
        return total

    def _counters(self) -> dict[str, tuple[float, float]]:
        """name -> (joules, joules at which the counter wraps)."""
        found: dict[str, tuple[float, float]] = {}
        for zone in sorted(self._root.glob("intel-rapl:[0-9]*")):
            if zone.name.count(":") > 1:
                continue  # cores and memory are parts of their package
            try:
                used = int((zone / "energy_uj").read_text())
                limit = int((zone / "max_energy_range_uj").read_text())
            except (OSError, ValueError):
                continue  # many machines let only root read it
            found[zone.name] = (used / 1e6, limit / 1e6)
        return found | _gpu_counters()


def _gpu_counters() -> dict[str, tuple[float, float]]:
    if not torch.cuda.is_available():
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
        return {"gpu": (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, float("inf"))}
    except Exception:  # pynvml is not ours to require, and old cards have no counter
        return {}
