"""Benchmarks as a user runs them, at sizes where no time means anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def benchmark(name, *arguments):
    """Run `benchmarks/NAME.py --json ARGUMENTS` on one thread; the JSON object that it prints last."""
    command = [sys.executable, f"benchmarks/{name}.py", "--json", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
