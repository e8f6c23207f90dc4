"""kill -9 at any moment, start again with --resume: the bits of an uninterrupted run."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from runs import assert_equal

from tbpsbench.weights.files import read_checkpoint

EPOCHS = 4


def start(demo, folder, *more):
    command = [sys.executable, "tools/train.py", demo[0], "--work-dir", str(folder), *more, *demo[1:]]
    command += [f"schedule.max_epochs={EPOCHS}", "model.losses.itc.temperature=0.1"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )  # fmt: skip


def finish(process):
    out = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, out
    return out


def kill_when(process, happened):
    while process.poll() is None:
        if happened():
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return
        time.sleep(0.002)
    raise AssertionError(f"the run ended before it was killed:\n{process.communicate()[0].decode()}")


@pytest.mark.slow
def test_killed_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(demo, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(demo, whole))
    last, card = killed / "last.pth", killed / "run.json"
    # Other numbers of workers on the way: nothing may depend on them.
    kill_when(start(demo, killed, "--resume", "auto"), card.exists)
    assert not last.exists()
    kill_when(start([*demo, "data.num_workers=1"], killed, "--resume"), last.exists)
    seen = last.stat().st_mtime_ns
    kill_when(start([*demo, "data.num_workers=0"], killed, "--resume"), lambda: last.stat().st_mtime_ns != seen)
    seen = last.stat().st_mtime_ns
    process = start([*demo, "data.num_workers=0"], killed, "--resume")
    kill_when(process, lambda: (killed / "best.pth").stat().st_mtime_ns > seen or last.stat().st_mtime_ns > seen)
    finish(start(demo, killed, "--resume"))
    for name in ("last.pth", "best.pth"):
        one, other = read_checkpoint(whole / name), read_checkpoint(killed / name)
        for part in ("state_dict", "optimizer", "meta"):
            assert_equal(one[part], other[part], f"{name}/{part}")
        assert one["tbpsbench"]["best"] == other["tbpsbench"]["best"]
        assert one["tbpsbench"]["history"] == other["tbpsbench"]["history"]
    records = [json.loads((folder / "record" / "record.json").read_text()) for folder in (whole, killed)]
    assert records[0]["results"] == records[1]["results"]
    assert records[0]["evidence"] == records[1]["evidence"]
    assert not list(killed.glob(".*.tmp"))
