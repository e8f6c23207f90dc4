"""What ships compiles for three generations of GPUs without one, within its budgets of registers, spills and memory."""

import pytest
from kernel_cases import ROOT, outside

from tbpsbench.kernels import shipping

GATE = """
import json, sys
from tbpsbench.kernels.shipping import rows_of
print(json.dumps(list(rows_of(int(sys.argv[1]), whole=False))))
"""
CASES = ROOT / "tests" / "helpers" / "compiled_cases.py"

pytest.importorskip("triton")


@pytest.mark.slow
@pytest.mark.parametrize("arch", shipping.ARCHITECTURES)
def test_everything_that_ships_compiles_within_its_budget(arch):
    rows = outside(GATE, arch)
    over = [
        f"{row['kernel']}, {row['name']}, {row['tile']}: {'; '.join(row['excess'])}" for row in rows if row["excess"]
    ]
    assert not over, "\n".join(over)
    files = {path.parent.name for path in (ROOT / "tbpsbench" / "kernels").glob("*/triton*.py")}
    assert {row["kernel"] for row in rows} == files, "a folder with Triton kernels ships nothing"


def test_the_gate_sees_spills_memory_and_missing_tensor_cores():
    found = outside(CASES, 90)
    assert found["fine"]["excess"] == []
    assert list(found["fine"]["matrix"]) == ["HGMMA"]
    # Not disassembled where it need not be, and seen to spill all the same.
    assert found["tight"]["matrix"] == {}
    assert any("spilling" in line for line in found["unread"]["excess"])
    assert any("spilling" in line for line in found["spills"]["excess"])
    assert any("no HGMMA instruction" in line for line in found["plain"]["excess"])
    assert [line.split(", allowed ")[1] for line in found["tight"]["excess"]] == ["16", "1"]


def test_an_architecture_has_no_more_shared_memory_than_it_has():
    row = shipping.Measured("k", "n", 80, "t", 100, 0, 200.0, {"HMMA": 1})
    assert row.excess(shipping.Budget()) == ["200.0 KiB of shared memory, allowed 163"]
    assert row._replace(arch=90).excess(shipping.Budget()) == []
