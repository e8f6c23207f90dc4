"""What ships as machine code: every Triton kernel compiled for the GPUs that are meant, on a machine without one.

    python -m tbpsbench.kernels.shipping [--arch 90] [--kernel contrastive] [--json]

A file `triton*.py` or `shipping.py` in a kernel's folder has a function `shipped(capability)` that yields the
configurations that it launches on that architecture. Here they are compiled and their SASS is read: registers, spills,
shared memory, tensor-core instructions. It needs triton and no GPU, and the interpreter must be off.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from triton.runtime.jit import JITFunction

ARCHITECTURES = (80, 90, 100)
# Shared memory that one program may have, in KiB (CUDA C++ programming guide, technical specifications).
SHARED_KB = {80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 103: 227, 120: 99}
# Tensor-core instructions in SASS: Ampere's, Hopper's asynchronous ones, Blackwell's (tcgen05 in PTX).
MATRIX = {80: "HMMA", 90: "HGMMA", 100: "UTCMMA"}
# What Triton 3.6 was seen to spill beyond 3.9, on sm_80 and sm_100.
OLDER_SPILLS = 8
_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)", re.M)
_TENSOR = re.compile(r"HMMA|HGMMA|UTC\w*MMA")


class Budget(NamedTuple):
    """What a compiled kernel may use.

    Attributes:
        registers: per thread; 255 is all there are.
        spills: instructions that store to or load from local memory (STL, LDL), with Triton 3.9; `OLDER_SPILLS` more
            before it.
        shared_kb: per program, in KiB; what the architecture has is the limit in any case.
        tensor_cores: whether there must be matrix instructions of the architecture's own kind.
    """

    registers: int = 255
    spills: int = 0
    shared_kb: float = 227
    tensor_cores: bool = False


class Compiled(NamedTuple):
    """One configuration that is launched.

    Attributes:
        name: e.g. "statistics bf16 D 512".
        kernel: the function below `triton.jit`.
        signature: argument -> type, e.g. "*bf16", "i32", "fp32"; "constexpr" for those in `constexprs`. Pointers are
            taken to be multiples of 16 bytes, as torch allocates; an integer is if its type ends in ":16".
        constexprs: argument -> value.
        warps, stages: launch options.
        budget: what it may use.
        fusion: the launch option `enable_fp_fusion`.
    """

    name: str
    kernel: JITFunction
    signature: dict[str, str]
    constexprs: dict[str, Any]
    warps: int
    stages: int
    budget: Budget = Budget()
    fusion: bool = True


class Measured(NamedTuple):
    """What was found in the machine code of one configuration."""

    kernel: str
    name: str
    arch: int
    tile: str
    registers: int
    spills: int
    shared_kb: float
    matrix: dict[str, int]

    def excess(self, budget: Budget) -> list[str]:
        """Where it is over its budget, in words."""
        limit = min(budget.shared_kb, SHARED_KB.get(self.arch, budget.shared_kb))
        found = []
        if self.registers > budget.registers:
            found.append(f"{self.registers} registers, allowed {budget.registers}")
        spills = budget.spills + _older_spills()
        if self.spills > spills:
            found.append(f"{self.spills} spilling instructions, allowed {spills}")
        if self.shared_kb > limit:
            found.append(f"{self.shared_kb:.1f} KiB of shared memory, allowed {limit:g}")
        if budget.tensor_cores and not self.matrix.get(MATRIX.get(self.arch, "HMMA")):
            found.append(f"no {MATRIX.get(self.arch, 'HMMA')} instruction, found {self.matrix or 'no matrix ones'}")
        return found


def _older_spills() -> int:
    import triton

    version = tuple(int(part) for part in triton.__version__.split(".")[:2])
    return OLDER_SPILLS if version < (3, 9) else 0


def shipped(capability: int) -> Iterator[tuple[str, Compiled]]:
    """Name of the kernel's folder, and each configuration that it launches on an architecture.

    Args:
        capability: e.g. 90 for compute capability 9.0.
    """
    package = importlib.import_module(__package__)
    for folder in pkgutil.iter_modules(package.__path__):
        if folder.ispkg:
            for file in pkgutil.iter_modules(importlib.import_module(f".{folder.name}", __package__).__path__):
                if file.name.startswith("triton") or file.name == "shipping":
                    module = importlib.import_module(f".{folder.name}.{file.name}", __package__)
                    for compiled in getattr(module, "shipped", lambda _: ())(capability):
                        yield folder.name, compiled


def measure(kernel: str, compiled: Compiled, arch: int, whole: bool = True) -> Measured:
    """Compile one configuration and read its machine code.

    Args:
        whole: otherwise code without a stack, which thus spills nothing, is not disassembled unless it must have matrix
            instructions: half a second each.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = compiled.kernel.arg_names
    types = {name: compiled.signature.get(name, "constexpr") for name in names}
    aligned = [i for i, name in enumerate(names) if types[name].startswith("*") or types[name].endswith(":16")]
    source = ASTSource(
        fn=compiled.kernel,
        signature={name: kind.removesuffix(":16") for name, kind in types.items()},
        constexprs=dict(compiled.constexprs),
        attrs={(i,): [["tt.divisibility", 16]] for i in aligned},
    )
    options = {"num_warps": compiled.warps, "num_stages": compiled.stages, "enable_fp_fusion": compiled.fusion}
    built = triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)
    registers, instructions = _read(built.asm["cubin"], whole or compiled.budget.tensor_cores)
    matrix: dict[str, int] = {}
    for instruction in instructions:
        if _TENSOR.fullmatch(instruction):
            group = "UTCMMA" if instruction.startswith("UTC") else instruction
            matrix[group] = matrix.get(group, 0) + 1
    return Measured(
        kernel=kernel,
        name=compiled.name,
        arch=arch,
        tile=_tile(compiled),
        registers=registers,
        spills=sum(instruction in ("LDL", "STL") for instruction in instructions),
        shared_kb=built.metadata.shared / 1024,
        matrix=matrix,
    )


def _read(cubin: bytes, whole: bool) -> tuple[int, list[str]]:
    """Registers per thread and the names of all instructions, or none of them where there is no stack."""
    import triton

    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _dump(tools, "--dump-resource-usage", file.name)
        found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
        if found is None:
            raise RuntimeError(f"cuobjdump names no registers: {usage[:200]}")
        code = _dump(tools, "--dump-sass", file.name) if whole or int(found[2]) else ""
    return int(found[1]), _INSTRUCTION.findall(code)


def _dump(tools: Path, what: str, file: str) -> str:
    return subprocess.run([tools / "cuobjdump", what, file], capture_output=True, text=True, check=True).stdout


def _tile(compiled: Compiled) -> str:
    """Block sizes, warps and stages, e.g. "64 x 32 x 512, 8 warps, 2 stages"."""
    sizes = [str(value) for name, value in compiled.constexprs.items() if re.fullmatch(r"BLOCK\w*|B[A-Z]", name)]
    return f"{' x '.join(sizes)}{', ' if sizes else ''}{compiled.warps} warps, {compiled.stages} stages"


def table(rows: list[dict[str, Any]]) -> str:
    """One line a configuration, columns aligned."""
    lines = [("kernel", "configuration", "tile", "sm", "registers", "spills", "shared KiB", "matrix", "over budget")]
    for row in rows:
        matrix = ", ".join(f"{count} {name}" for name, count in sorted(row["matrix"].items()))
        numbers = (str(row["arch"]), str(row["registers"]), str(row["spills"]), f"{row['shared_kb']:.1f}")
        lines.append((row["kernel"], row["name"], row["tile"], *numbers, matrix, "; ".join(row["excess"])))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def rows_of(arch: int, only: str | None = None, whole: bool = True) -> Iterator[dict[str, Any]]:
    """Every configuration that ships for an architecture, compiled: `Measured` as a dict, with what is over budget.

    Args:
        only: of one kernel's folder.
        whole: as in `measure`.
    """
    for kernel, compiled in shipped(arch):
        if only in (None, kernel):
            found = measure(kernel, compiled, arch, whole)
            yield found._asdict() | {"excess": found.excess(compiled.budget)}


def main(arguments: list[str] | None = None) -> int:
    """Compile, print the table; 1 if something is over its budget."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--arch", type=int, action="append", help=f"default: {', '.join(map(str, ARCHITECTURES))}")
    parser.add_argument("--kernel", help="only this folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object, on one line")
    options = parser.parse_args(arguments)
    # The interpreter's functions cannot be compiled; nothing has imported triton yet.
    os.environ.pop("TRITON_INTERPRET", None)
    rows = [row for arch in options.arch or ARCHITECTURES for row in rows_of(arch, options.kernel)]
    if options.json:
        import triton

        print(json.dumps({"name": "compiled", "triton": triton.__version__, "rows": rows}))
    else:
        print(table(rows))
    return int(any(row["excess"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
