"""The benchmark of the page's load, in small: real requests to a page that is served."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_it_prints_one_json_object_last_and_every_search_was_answered():
    pytest.importorskip("uvicorn", reason="needs the extra app: pip install 'tbpsbench[app]'")
    command = [
        sys.executable,
        "benchmarks/chat_load.py",
        "--json",
        "--pictures",
        "300",
        "--people",
        "40",  # whose processor time is many ticks of its clock
        "--rounds",
        "2",
    ]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["size"] == {"pictures": 300, "people": 40}
    assert result["errors"] == 0
    assert 0 < result["p95_ms"] < 60_000
    assert result["server_processor_ms_per_search"] > 0
