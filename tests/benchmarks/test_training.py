"""The benchmark of the training step runs and checks itself, with towers of one block; no time is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_both_arms_have_equal_losses_in_every_case():
    command = [sys.executable, "benchmarks/training.py", "--json", "--tiny", "--batch", "4", "--steps", "2"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["tiny"] is True
    assert set(result["ratios"]) == set(result["cases"]) == {"released", "paper", "padding unread"}
    for case in result["cases"].values():
        assert set(case["losses"]) == {"sdm", "id", "mlm"}
        assert all(10 < tokens <= 77 for tokens in case["longest_caption_tokens"])
        assert case["ours_images_per_s"] > 0
