"""10,000 records: the page stays quick; the benchmark that measures it prints what it promises."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.rows import rows_of

ROOT = Path(__file__).parents[3]
CHROMIUM = "/usr/bin/chromium"


@pytest.mark.slow
def test_ten_thousand_records_search_and_sort_at_once(tmp_path, monkeypatch):
    pytest.importorskip("playwright", reason="needs playwright: pip install playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    monkeypatch.syspath_prepend("benchmarks")
    bench = import_module("leaderboard_page")
    records = bench.make_records(10_000, 2)
    render(rows_of(records), dict(records), tmp_path, "10,000 records")
    page = bench.time_page(tmp_path / "index.html", CHROMIUM, repeats=5)
    assert page["rows_shown"] == "10,000 of 10,000 rows"
    assert page["search_ms"] < bench.PAGE_LIMIT_MS, page["search_each_ms"]
    assert page["sort_ms"] < bench.PAGE_LIMIT_MS, page["sort_each_ms"]


def test_benchmark_prints_one_json_object_last():
    command = [sys.executable, "benchmarks/leaderboard_page.py", "--json", "--records", "9", "--chromium", "/none"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["size"] == {"records": 9, "seeds": 2, "rows": 10}
    assert set(result["ratios"]) == {"render_of_limit"}
    assert {"read_s", "rows_s", "render_s", "total_s", "processor_s"} < set(result["rendering"])
    assert result["page"]["left_out"], "why the page was not timed"
