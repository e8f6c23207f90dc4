"""The benchmark of the evaluation runs, checks itself and prints what it promises; no time is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_benchmark_prints_one_json_object_last():
    command = [sys.executable, "benchmarks/evaluation.py", "--json", "--repeats", "1"]
    size = ["--queries", "90", "--gallery", "110", "--dim", "16"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command + size, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["ratios"]) == {"speedup_vs_argsort", "memory_vs_argsort", "time_vs_matmul"}
    assert result["size"] == {"queries": 90, "gallery": 110, "dim": 16}
    assert set(result["seconds"]) == {"ours", "argsort", "matmul", "matmul_blocks"}
    assert (result["argsort_queries"], result["argsort_scaled"]) == (90, False)
    assert result["largest_difference_points"] <= result["tolerance_points"]
    assert set(result["scores"]["ours"]) == {"R@1", "R@5", "R@10", "mAP", "mINP"}
    assert result["environment"]["threads"] == 1
