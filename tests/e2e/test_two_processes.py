"""torchrun with two processes trains what one trains on the same global batches, and evaluates what it saves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from runs import assert_equal, resumed_parts
from small_models import CONV_VIT

from tbpsbench.config.load import load_config
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.run import build_run
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.load import load_into

TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0",
    "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
]  # fmt: skip
COMMON = ["data.num_workers=0", "optimizer.type=SGD", "optimizer.lr=0.1"]


def start(command, demo, folder, *options, tool=()):
    arguments = ["tools/train.py", demo[0], "--work-dir", str(folder), *tool, *demo[1:], *COMMON, *options]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def run(command, demo, folder, *options, tool=()):
    process = start(command, demo, folder, *options, tool=tool)
    out = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, out


def wait_for(process, happened):
    while process.poll() is None:
        if happened():
            return
        time.sleep(0.002)
    raise AssertionError(f"the run ended before it was killed:\n{process.communicate()[0].decode()}")


def rank(process, number):
    """The process that torchrun started under this number."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            told = (folder / "environ").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        if parent == process.pid and f"RANK={number}".encode() in told:
            return int(folder.name)
    raise AssertionError(f"torchrun has no process of rank {number}")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [(), (CONV_VIT,)], ids=["CLIP", "batch norm"])
def test_two_processes_train_what_one_trains(demo, tmp_path, encoder):
    # Without the last, smaller batch, which two processes fill up to equal shares.
    options = (*encoder, "schedule.max_epochs=1", "data.sampler.drop_last=True")
    run([sys.executable], demo, tmp_path / "one", *options)
    run(TORCHRUN, demo, tmp_path / "two", *options)
    one, two = (torch.load(tmp_path / n / "last.pth", weights_only=True)["state_dict"] for n in ("one", "two"))
    start = {key: value for key, value in one.items() if value.is_floating_point()}
    for key, value in start.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)
    records = [json.loads((tmp_path / n / "record" / "record.json").read_text()) for n in ("one", "two")]
    assert records[0]["results"]["standard"]["queries"] == records[1]["results"]["standard"]["queries"]
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_two_processes_evaluate_what_they_save_and_go_on_from_it_after_one_was_killed(demo, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = (CONV_VIT, "schedule.max_epochs=3")
    run(TORCHRUN, demo, whole, *options)
    scored = resumed_parts(whole)
    system = build_run(load_config(demo[0], [*demo[2:], *COMMON, *options]))
    for name, epoch in (("best.pth", scored["best"]["epoch"]), ("last.pth", 3)):
        load_into(system.model, read_state_dict(whole / name), source=name)
        alone = evaluate(system.model, system.evaluation, "val", system.settings.evaluation).flat()
        row = next(row for row in scored["history"] if row["epoch"] == epoch)
        assert {key: row[key] for key in alone} == alone, name

    process = start(TORCHRUN, demo, killed, *options)
    wait_for(process, (killed / "last.pth").exists)
    os.kill(rank(process, 1), signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert resumed_parts(killed)["meta"]["epoch"] < 3, "the run ended before it was killed"
    run(TORCHRUN, demo, killed, *options, tool=("--resume",))
    for name in ("best.pth", "last.pth"):
        assert_equal(resumed_parts(killed, name), resumed_parts(whole, name))
    one, other = (json.loads((folder / "record" / "record.json").read_text()) for folder in (whole, killed))
    assert one["selection"] == other["selection"]
    assert one["results"] == other["results"]
