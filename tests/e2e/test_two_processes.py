"""torchrun with two processes trains what one process trains on the same global batches."""

import json
import os
import subprocess
import sys

import pytest
import torch


def run(command, demo, folder):
    arguments = ["tools/train.py", demo[0], "--work-dir", str(folder), *demo[1:], "schedule.max_epochs=1"]
    # Without the last, smaller batch, which two processes fill up to equal shares.
    arguments += ["data.sampler.drop_last=True", "data.num_workers=0", "optimizer.type=SGD", "optimizer.lr=0.1"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_train_what_one_trains(demo, tmp_path):
    run([sys.executable], demo, tmp_path / "one")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    run([*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"], demo, tmp_path / "two")
    one, two = (torch.load(tmp_path / n / "last.pth", weights_only=True)["state_dict"] for n in ("one", "two"))
    start = {key: value for key, value in one.items() if value.is_floating_point()}
    for key, value in start.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)
    records = [json.loads((tmp_path / n / "record" / "record.json").read_text()) for n in ("one", "two")]
    assert records[0]["results"]["standard"]["queries"] == records[1]["results"]["standard"]["queries"]
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2
