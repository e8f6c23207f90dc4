"""The benchmark of the losses runs, checks itself and prints what it promises; no time is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_benchmark_prints_one_json_object_last():
    command = [sys.executable, "benchmarks/losses.py", "--json", "--repeats", "1"]
    size = ["--rows", "48", "--few", "8", "--triplet-rows", "40", "--dim", "16"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command + size, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["targets"]) - {"triplet_vs_pml"} <= set(result["ratios"])
    assert result["size"] == {"rows": 48, "few": 8, "triplet_rows": 40, "dim": 16}
    assert set(result["cpu_seconds"]["hsic_few"]) == {"ours", "textbook", "width", "rows"}
    assert max(result["largest_difference"].values()) <= result["tolerance"]
