"""Our selective scan against the recurrence in plain autograd, and against transformers' eager one.

    python benchmarks/selective_scan.py [--json] [--length 257 --batch 16 --channels 512 --state 16 --threads 1]

Arms on the same inputs (L 257: 196 patches and a caption; channels and state as in the BDAM paper's fuser), each in a
process of its own:
- `ours`: `selective_scan`, forward and backward.
- `textbook`: the recurrence as Mamba's authors publish it for reference: all decays and writes as two (B, E, L, N)
  tensors, a loop that slices them, autograd through it. Written here from its description.
- `transformers`: `mamba_selective_scan` of its Mamba model, which is what its mixer runs without compiled kernels.
- `mambapy`: the parallel scan of mamba.py in plain torch, the usual choice without a GPU, where it is installed
  (`pip install -e .[bench]`); without it the result has no such ratio.
Then the forward pass of one position, all three in one process, in turn: what a fuser on pooled vectors does when a
gallery is embedded, `evaluation.batch_size` images at a time.

Outputs and the gradients of all eight inputs must agree within `TOLERANCE`, relative in norm; otherwise no speed is
reported. The shortest of `--repeats` counts for ours; the slow arms run once. With `--reference-batch` below `--batch`
these run on the first rows, their time and memory are scaled by the ratio, and the JSON says so.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from _common import best_of, environment, finish, parser, peak_extra_bytes
from _targets import stated
from torch import Tensor
from torch.nn.functional import silu, softplus

from tbpsbench.kernels.selective_scan import selective_scan

NAMES = ("u", "dt", "A", "B", "C", "D", "z", "dt_bias")
PER_SAMPLE = ("u", "dt", "B", "C", "z")
TOLERANCE = 1e-4
Inputs = dict[str, Tensor]


def make_inputs(batch: int, length: int, channels: int, state: int, threads: int, rows: int | None = None) -> Inputs:
    """Inputs as a fresh Mamba layer makes them; every process makes the same ones.

    Args:
        batch, length, channels, state: B, L, E, N.
        threads: for everything that this process does.
        rows: keep the first so many samples.
    """
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    made = {
        "u": draw(batch, length, channels),
        "dt": draw(batch, length, channels),
        "A": -torch.arange(1.0, state + 1).repeat(channels, 1),
        "B": draw(batch, length, state),
        "C": draw(batch, length, state),
        "D": torch.ones(channels),
        "z": draw(batch, length, channels),
        "dt_bias": draw(channels) - 4.0,
    }
    if rows is not None:
        made |= {name: made[name][:rows].clone() for name in PER_SAMPLE}
    return {name: value.requires_grad_() for name, value in made.items()}


def ours(x: Inputs) -> Tensor:
    """This package's scan."""
    return selective_scan(*(x[name] for name in NAMES))


def textbook(x: Inputs) -> Tensor:
    """The recurrence in plain autograd, (B, E, L) as published."""
    u, dt, B, C, z = (x[name].mT for name in PER_SAMPLE)
    dt = softplus(dt + x["dt_bias"][:, None])
    decay = torch.exp(torch.einsum("bel,en->beln", dt, x["A"]))
    written = torch.einsum("bel,bnl,bel->beln", dt, B, u)
    state, outputs = torch.zeros_like(decay[:, :, 0]), []
    for t in range(u.shape[2]):
        state = decay[:, :, t] * state + written[:, :, t]
        outputs.append(torch.einsum("ben,bn->be", state, C[:, :, t]))
    y = torch.stack(outputs, dim=2) + u * x["D"][:, None]
    return (y * silu(z)).mT


def transformers(x: Inputs) -> Tensor:
    """What transformers' Mamba mixer runs on a CPU."""
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    u, dt, B, C, z = (x[name].mT for name in PER_SAMPLE)
    y = mamba_selective_scan(u, dt, x["A"], B, C, D=x["D"], z=z, delta_bias=x["dt_bias"], delta_softplus=True)
    return y.mT


def mambapy(x: Inputs) -> Tensor:
    """The recurrence by mamba.py's parallel scan."""
    from mambapy.pscan import pscan

    dt_BLE = softplus(x["dt"] + x["dt_bias"])
    decay_BLEN = torch.exp(dt_BLE[..., None] * x["A"])
    written_BLEN = (dt_BLE * x["u"])[..., None] * x["B"][:, :, None]
    y_BLE = (pscan(decay_BLEN, written_BLEN) @ x["C"][..., None])[..., 0] + x["u"] * x["D"]
    return y_BLE * silu(x["z"])


def forward_backward(inputs: Inputs, arm: Callable[[Inputs], Tensor], repeats: int) -> dict[str, Any]:
    """Shortest time in seconds, and the output and gradients as arrays."""
    _warm_up(arm, inputs)

    def step() -> Tensor:
        for value in inputs.values():
            value.grad = None
        y = arm(inputs)
        y.square().mean().backward()
        return y.detach()

    seconds, y = best_of(step, repeats)
    found = {"y": y} | {name: value.grad for name, value in inputs.items() if value.grad is not None}
    return {"seconds": seconds, "found": {name: value.numpy() for name, value in found.items()}}


def one_position(inputs: Inputs, repeats: int) -> dict[str, Any]:
    """Shortest forward time in seconds of each arm without gradients, and their largest difference."""
    arms = {"ours": ours, "textbook": textbook, "transformers": transformers}
    times: dict[str, list[float]] = {name: [] for name in arms}
    with torch.no_grad():
        for arm in arms.values():
            _warm_up(arm, inputs)
        for _ in range(repeats):
            for name, arm in arms.items():
                times[name].append(best_of(functools.partial(arm, inputs), 5)[0])
        plain = textbook(inputs)
        error = max(float((arm(inputs) - plain).norm() / plain.norm()) for arm in arms.values())
    return {"seconds": {name: min(found) for name, found in times.items()}, "error": error}


def _warm_up(arm: Callable[[Inputs], Tensor], inputs: Inputs) -> None:
    """Imports and first calls are not part of what is timed."""
    small = {name: value[:1, :2] if name in PER_SAMPLE else value for name, value in inputs.items()}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arm(small)


def relative_error(found: dict[str, Any], wanted: dict[str, Any]) -> float:
    """Largest ||a - b|| / ||b|| over output and gradients."""
    pairs = [(torch.from_numpy(found[name]), torch.from_numpy(wanted[name])) for name in wanted]
    return max(float((a - b).norm() / b.norm()) for a, b in pairs)


def main() -> None:
    """Run the arms one after the other and compare."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--length", type=int, default=257)
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--channels", type=int, default=512)
    arguments.add_argument("--state", type=int, default=16)
    arguments.add_argument("--reference-batch", type=int, help="samples of the slow arms (default: all)")
    arguments.add_argument("--one-batch", type=int, default=256)
    arguments.add_argument("--one-channels", type=int, default=512)
    arguments.add_argument("--repeats", type=int, default=5, help="of ours and of one position")
    options = arguments.parse_args()
    size = (options.batch, options.length, options.channels, options.state, options.threads)
    rows = min(options.reference_batch or options.batch, options.batch)
    scale = options.batch / rows
    inputs = functools.partial(make_inputs, *size)

    def run(arm: Callable[[Inputs], Tensor], repeats: int, count: int | None = None) -> tuple[dict[str, Any], int]:
        return peak_extra_bytes(
            functools.partial(inputs, rows=count), functools.partial(forward_backward, arm=arm, repeats=repeats)
        )

    mine, my_bytes = run(ours, options.repeats)
    others = (textbook, transformers, *((mambapy,) if find_spec("mambapy") else ()))
    slow = {arm.__name__: run(arm, 1, rows) for arm in others}
    again, _ = run(ours, options.repeats)
    compared = again["found"] if scale == 1 else run(ours, 1, rows)[0]["found"]
    errors = {name: relative_error(compared, found["found"]) for name, (found, _) in slow.items()}
    one, _ = peak_extra_bytes(
        functools.partial(make_inputs, options.one_batch, 1, options.one_channels, options.state, options.threads),
        functools.partial(one_position, repeats=4 * options.repeats),
    )
    errors["one position"] = one["error"]
    if max(errors.values()) > TOLERANCE:
        raise SystemExit(f"the scans disagree, relative errors {errors}, allowed {TOLERANCE}. No speed is reported.")
    seconds = {"ours": min(mine["seconds"], again["seconds"])}
    seconds |= {name: found["seconds"] * scale for name, (found, _) in slow.items()}
    memory = {"ours": my_bytes} | {name: used * scale for name, (_, used) in slow.items()}
    result: dict[str, Any] = {
        "name": "selective_scan",
        "size": {
            "length": options.length,
            "batch": options.batch,
            "channels": options.channels,
            "state": options.state,
        },
        "one_size": {"length": 1, "batch": options.one_batch, "channels": options.one_channels, "state": options.state},
        "ratios": {
            "speedup_vs_textbook": seconds["textbook"] / seconds["ours"],
            "speedup_vs_transformers": seconds["transformers"] / seconds["ours"],
            "memory_vs_textbook": memory["textbook"] / max(my_bytes, 1),
            "one_position_vs_textbook": one["seconds"]["textbook"] / one["seconds"]["ours"],
            "one_position_vs_transformers": one["seconds"]["transformers"] / one["seconds"]["ours"],
        },
        "targets": stated("selective_scan"),
        "seconds": seconds,
        "one_position_seconds": one["seconds"],
        "peak_mb": {name: used / 1e6 for name, used in memory.items()},
        "reference_batch": rows,
        "reference_scaled": scale != 1,
        "relative_errors": errors,
        "tolerance": TOLERANCE,
        "repeats": options.repeats,
        "environment": environment(options.threads),
    }
    if "mambapy" in seconds:
        result["ratios"]["speedup_vs_mambapy"] = seconds["mambapy"] / seconds["ours"]
    finish(result, options.json)


if __name__ == "__main__":
    main()
