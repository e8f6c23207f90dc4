"""What Python takes to launch the Triton kernels: launches that are kept, and Triton's dispatch at every launch.

    python benchmarks/launches.py [--json] [--repeats 400 --threads 1]

It needs Triton and no GPU: kernels are compiled for an H100, and the launch itself is left out, so what is timed is
Python and the allocations (on the CPU), forward and backward, without autograd. The dispatched arm is spared the
addresses that a key holds, not the rest of the keys. Both arms must make the same launches of the same machine code,
one by one, with inputs that are multiples of 16 bytes and others, or no time is reported. Calls of both arms alternate;
the median of each counts.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from _common import environment, finish, parser
from _targets import stated

# Nothing may have imported triton before this.
os.environ.pop("TRITON_INTERPRET", None)

from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from tbpsbench.kernels import launching, triton_centring
from tbpsbench.kernels.contrastive import triton as contrastive
from tbpsbench.kernels.contrastive import triton_call
from tbpsbench.kernels.contrastive.form import Form
from tbpsbench.kernels.hsic import triton_few, triton_launch
from tbpsbench.kernels.selective_scan import triton_launch as scan
from tbpsbench.kernels.triplet import triton_launch as triplet

HALF, WIDTH = torch.bfloat16, 512
Work = Callable[[], Any]


class Library:
    """In place of CUDA's: kernels are loaded nowhere and are told apart by their machine code."""

    def load_binary(self, name: str, code: bytes, *_: Any) -> tuple[Any, ...]:
        """What stands for the function; registers, spills and threads follow."""
        return "loaded", f"{name} {hashlib.sha256(code).hexdigest()}", 32, 0, 1024

    def get_device_properties(self, _: int) -> dict[str, int]:
        """Of an H100, as far as anybody asks."""
        return {"max_shared_mem": 232448, "multiprocessor_count": 132, "warpSize": 32}


class Device:
    """An H100 that runs nothing, as Triton's active driver.

    Attributes:
        launched: what was launched since this list was set; None keeps nothing.
    """

    def __init__(self) -> None:
        self.utils = Library()
        self.launched: list[tuple[Any, ...]] | None = None

    def launcher_cls(self, *_: Any) -> Callable[..., None]:
        """What launches a kernel that was compiled."""

        def launch(x: int, y: int, z: int, stream: int, name: str, packed: Any, metadata: Any, *rest: Any) -> None:  # noqa: ARG001
            if self.launched is not None:
                numbers = [argument for argument in rest[2:] if not hasattr(argument, "shape")]
                self.launched.append((name, x, y, z, *numbers))

        return launch

    def get_current_device(self) -> int:
        """Of one."""
        return 0

    def get_current_stream(self, _: int) -> int:
        """Of one."""
        return 0

    def get_current_target(self) -> GPUTarget:
        """What is compiled for."""
        return GPUTarget("cuda", 90, 32)


def dispatched(
    _: Any, kernel: Any, grid: tuple[int, ...], options: Callable[[], dict[str, Any]]
) -> Callable[..., None]:
    """In place of `launching.kept`: a launch as Triton's documentation writes it."""
    return functools.partial(kernel[grid], **options())


def works(offset: int = 0) -> dict[str, Work]:
    """Name -> a call, forward and backward; features begin `offset` numbers behind the start of their memory."""
    generator = torch.Generator().manual_seed(0)

    def features(*shape: int) -> torch.Tensor:
        return torch.randn(offset + math.prod(shape), generator=generator).to(HALF)[offset:].view(shape)

    few, many = (features(64, WIDTH), features(64, WIDTH)), (features(8192, WIDTH), features(8192, WIDTH))
    label_N, one, ones_N, both = torch.arange(64) // 2, torch.ones(()), torch.ones(64), (True, True)

    def hsic_few() -> None:
        _, matrices, means, _ = triton_few.few_forward(*few, False)
        triton_few.few_backward(one, *few, matrices, means, False, both)

    def hsic_many() -> None:
        _, cross, means, rest = triton_launch.width_forward(*many, False)
        triton_launch.width_backward(one, *many, cross, means, rest, False, both)

    def loss(form: Form) -> Work:
        def work() -> None:
            _, saved, _, identity = contrastive.statistics(*few, label_N, None, None, form)
            contrastive.gradient(ones_N, *few, label_N, None, saved, identity, form)

        return work

    def triplets() -> None:
        _, positive, negative, share = triplet.forward(few[0], label_N, 0.3, True)
        triplet.backward(one, few[0], positive, negative, share, True)

    u, dt, z, gy = (features(8, 64, WIDTH) for _ in range(4))
    rates, (B, C) = -torch.ones(WIDTH, 16), (features(8, 64, 16) for _ in range(2))
    inputs = scan.Inputs(u, dt, rates, B, C, torch.ones(WIDTH), z, torch.ones(WIDTH))

    def scanned() -> None:
        _, kept = scan.forward(inputs, True)
        scan.backward(gy, inputs, kept)

    return {
        "hsic_64": hsic_few,
        "hsic_8192": hsic_many,
        "sdm_64": loss(Form("divergence", 50.0)),
        "tal_64": loss(Form("alignment", 66.7, margin=0.1)),
        "triplet_64": triplets,
        "scan_8x64": scanned,
    }


def use(arm: Any) -> None:
    """Let every module launch like this."""
    placed = launching.placed if arm is launching.kept else _nowhere
    for module in (triton_few, triton_launch, contrastive, triton_call, triplet, triton_centring):
        vars(module).update(kept=arm, placed=placed)
    vars(scan)["launching"] = SimpleNamespace(**vars(launching) | {"kept": arm, "placed": placed})


def _nowhere(*_: torch.Tensor) -> tuple[int, ...]:
    return ()


def race(work: Work, other: Work, device: Device, repeats: int) -> dict[str, Any]:
    """Microseconds of a call in both arms, and its launches.

    Args:
        other: the same work on other inputs, which is not timed.

    Raises:
        RuntimeError: if the arms launch different things.
    """
    arms: dict[str, Any] = {"kept": launching.kept, "dispatched": dispatched}
    times: dict[str, list[int]] = {name: [] for name in arms}
    found = []
    for arm in arms.values():
        use(arm)
        work()
        other()
        seen: list[tuple[Any, ...]] = []
        device.launched = seen
        work()
        launches = len(seen)
        other()
        device.launched = None
        found.append(seen)
    if not found[0] or found[0] != found[1]:
        raise RuntimeError(f"the arms differ: {found[0]} and {found[1]}")
    for _ in range(repeats):
        for name, arm in arms.items():
            use(arm)
            start = time.perf_counter_ns()
            work()
            times[name].append(time.perf_counter_ns() - start)
    return {"launches": launches} | {f"{name}_us": statistics.median(of) / 1e3 for name, of in times.items()}


def main() -> None:
    """Race all."""
    arguments = parser(__doc__.split("\n", 1)[0])
    arguments.add_argument("--repeats", type=int, default=400, help="calls of each arm (default 400)")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    device = Device()
    driver.set_active(device)
    others = works(offset=1)
    rows = {name: race(work, others[name], device, options.repeats) for name, work in works().items()}
    ratios = {f"{name}_kept_vs_dispatched": row["kept_us"] / row["dispatched_us"] for name, row in rows.items()}
    result = {
        "name": "launches",
        "environment": environment(options.threads),
        "ratios": ratios,
        "targets": stated("launches"),
        "calls": rows,
    }
    finish(result, options.json)


if __name__ == "__main__":
    main()
