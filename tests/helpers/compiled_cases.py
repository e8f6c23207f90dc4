"""Small kernels for the tests of the compile gate: one that is fine, one that spills, one without tensor cores."""

import json
import sys

import triton
import triton.language as tl

from tbpsbench.kernels.shipping import Budget, Compiled, measure


@triton.jit
def product(x, y, out, N, D: tl.constexpr, BLOCK: tl.constexpr, UP: tl.constexpr):
    rows = tl.arange(0, BLOCK)
    sums = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, D, 32):
        columns = start + tl.arange(0, 32)
        x_tile = tl.load(x + rows[:, None] * D + columns[None, :], mask=rows[:, None] < N, other=0.0)
        y_tile = tl.load(y + rows[None, :] * D + columns[:, None], mask=rows[None, :] < N, other=0.0)
        if UP:
            x_tile, y_tile = x_tile.to(tl.float32), y_tile.to(tl.float32)
        sums = tl.dot(x_tile, y_tile, sums, input_precision="ieee")
    tl.store(out + rows[:, None] * BLOCK + rows[None, :], sums)


def case(name, block, up, warps, budget):
    signature = {"x": "*bf16", "y": "*bf16", "out": "*fp32", "N": "i32"}
    return Compiled(name, product, signature, {"D": 128, "BLOCK": block, "UP": up}, warps, 2, budget)


if __name__ == "__main__":
    arch = int(sys.argv[1])
    cases = [
        case("fine", 64, False, 4, Budget(tensor_cores=True)),
        case("spills", 128, False, 2, Budget(tensor_cores=True)),
        case("plain", 16, True, 1, Budget(tensor_cores=True)),
        case("tight", 64, False, 4, Budget(registers=16, shared_kb=1)),
        case("unread", 128, False, 2, Budget()),
    ]
    found = {compiled.name: (measure("test", compiled, arch, whole=False), compiled.budget) for compiled in cases}
    print(json.dumps({name: row._asdict() | {"excess": row.excess(budget)} for name, (row, budget) in found.items()}))
