"""The benchmark of the selective scan runs, checks itself and prints what it promises; no time is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_benchmark_prints_one_json_object_last():
    command = [sys.executable, "benchmarks/selective_scan.py", "--json", "--repeats", "1"]
    size = ["--length", "9", "--batch", "4", "--channels", "8", "--state", "3", "--reference-batch", "2"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *size, "--one-batch", "3", "--one-channels", "5"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["ratios"]) == {
        "speedup_vs_textbook", "speedup_vs_transformers", "memory_vs_textbook", "one_position_vs_textbook",
        "one_position_vs_transformers",
    }  # fmt: skip
    assert result["size"]["length"] == 9
    assert (result["reference_batch"], result["reference_scaled"]) == (2, True)
    assert set(result["seconds"]) == {"ours", "textbook", "transformers"}
    assert max(result["relative_errors"].values()) <= result["tolerance"]
