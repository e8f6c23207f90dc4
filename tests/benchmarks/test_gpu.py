"""`benchmarks/gpu.py` on a CPU, where it must run through everything that a GPU would, and fail as it should there."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = "checks,sweep,contrastive,hsic,triplet,scan,evaluation,profile,compiled"


def gpu(out, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "benchmarks/gpu.py", "--out", out, "--device", "cpu", "--tiny", *arguments]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done, json.loads((out / "gpu.json").read_text())


@pytest.mark.slow
def test_every_section_runs_and_every_kernel_is_right(tmp_path):
    done, found = gpu(tmp_path, "--only", SECTIONS, "--jobs", 1)
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log.txt").read_text()
    checks = [row for row in found["rows"] if row["section"] == "checks"]
    assert {row["job"] for row in checks} >= {
        "InfoNCE",
        "SDM",
        "TAL",
        "HSIC",
        "batch-hard triplets",
        "selective scan",
        "counts",
    }
    assert all(row["ok"] and row["same_bits"] for row in checks)
    raced = [row for row in found["rows"] if "arms" in row]
    assert {row["section"] for row in raced} == {"contrastive", "hsic", "triplet", "scan", "compiled"}
    for row in raced:
        other = "compiled" if row["section"] == "compiled" else "textbook"
        assert row["arms"]["ours"]["ms"] > 0
        assert row["arms"][other]["ms"] > 0
    assert {row["arm"] for row in found["rows"] if row["section"] == "evaluation"} >= {"ranks", "product alone"}
    assert "slower" in done.stdout


def test_an_unknown_section_is_an_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--out", tmp_path, "--device", "cpu", "--only", "chekcs"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no section chekcs" in done.stderr


def run(modules, tmp_path, *tasks, seconds=20.0, parallel=2):
    from _forks import Task, run_tasks

    rows = []
    started = time.monotonic()
    named = [Task(f"t{i}", "s", task) for i, task in enumerate(tasks)]
    run_tasks(named, parallel, started + seconds, rows.append, tmp_path / "log")
    return rows, time.monotonic() - started


def test_a_task_that_fails_dies_or_hangs_costs_itself_alone(modules, tmp_path):
    def fails(emit):
        emit({"section": "s", "value": 1})
        raise ValueError("not this one\nsecond line")

    rows, spent = run(
        modules,
        tmp_path,
        fails,
        lambda emit: os._exit(7),
        lambda emit: time.sleep(60),
        lambda emit: emit({"section": "s", "value": 2}),
        seconds=3,
    )
    assert spent < 20
    assert [row["value"] for row in rows if "value" in row] == [1, 2]
    failed = {row["task"]: row["failed"] for row in rows if "failed" in row}
    assert failed == {
        "t0": "ValueError: not this one / second line",
        "t1": "ended with exit code 7",
        "t2": "out of time",
    }
    assert "not this one" in next(row["traceback"] for row in rows if row.get("task") == "t0")


def test_a_wrong_kernel_gets_no_speed(modules, monkeypatch):
    import _gpu_races
    import _kernel_jobs

    job = _kernel_jobs.JOBS["SDM"]
    wrong = _kernel_jobs.dataclasses.replace(job, ours=lambda *x: 1.001 * job.ours(*x))
    monkeypatch.setitem(_gpu_races.JOBS, "SDM", wrong)
    rows = []
    _gpu_races.race("contrastive", "cpu", {"float32_tflops": 1, "copy_tb_s": 1}, rows.append, tiny=True)
    of = {row["job"]: row for row in rows}
    assert of["SDM"]["failed"] == "not correct, so no speed"
    assert of["SDM"]["arms"] == {}
    assert of["TAL"]["arms"]["ours"]["ms"] > 0


def test_an_arm_with_another_result_gets_no_time(modules, monkeypatch):
    import _gpu_races
    import _kernel_jobs

    job = _kernel_jobs.JOBS["HSIC"]
    others = {"halved": lambda x, y: job.textbook(x, y) / 2}
    monkeypatch.setitem(_gpu_races.JOBS, "HSIC", _kernel_jobs.dataclasses.replace(job, others=lambda: others))
    rows = []
    _gpu_races.race("hsic", "cpu", {"float32_tflops": 1, "copy_tb_s": 1}, rows.append, tiny=True)
    arms = next(row["arms"] for row in rows if row["job"] == "HSIC")
    assert arms["halved"]["failed"].startswith("another result, relative error 5.0e-01")
    assert "ms" not in arms["halved"]


def test_every_candidate_of_a_sweep_stands_in_for_something_and_goes_again(modules):
    import _gpu_sweep

    for knob in _gpu_sweep.knobs():
        module = importlib.import_module(f"tbpsbench.kernels.{knob.module}")
        shipped = getattr(module, knob.function)
        for shape in knob.shapes:
            before = _gpu_sweep._put(knob, shape)
            found = getattr(module, knob.function)
            value = found(1, of="anything") if callable(shipped) else found
            assert type(value) is (getattr(module, knob.answer) if callable(shipped) else type(shipped))
            assert (value[: len(shape)] if isinstance(value, tuple) else (value,)) == shape
            _gpu_sweep._restore(knob, before)
        assert getattr(module, knob.function) is shipped


def test_what_was_compiled_is_compared_with_ours_of_its_own_race(modules):
    import _gpu_table

    arms = {"ours": {"ms": 2.0}, "compiled": {"ms": 1.0, "ours_ms": 1.5}}
    line = next(_gpu_table.races([{"job": "SDM", "dtype": "bfloat16", "size": {"N": 64, "D": 512}, "arms": arms}]))
    assert "compiled 1 ms (ours is 1.50x slower)" in line


def test_the_table_says_slower(modules):
    import _gpu_table

    arms = {
        "ours": {"ms": 2.0},
        "textbook": {"ms": 1.0},
        "memeff": {"ms": 3.0},
        "compiled": {"failed": "out of memory"},
    }
    line = next(_gpu_table.races([{"job": "SDM", "dtype": "bfloat16", "size": {"N": 64, "D": 512}, "arms": arms}]))
    assert "textbook 1 ms (ours is 2.00x slower)" in line
    assert "memeff 3 ms (1.50x)" in line
    assert "compiled out of memory" in line


def test_goals_are_ratios_of_the_rows_that_they_name(modules):
    import _gpu_goals
    from _targets import GPU_TARGETS

    def row(section, job, dtype, size, **arms):
        return {"section": section, "job": job, "dtype": dtype, "size": size, "arms": arms}

    many, large = {"N": 32768, "D": 512}, {"N": 8192, "D": 512}
    ours, theirs = {"ms": 2.0, "peak_mb": 4.0}, {"ms": 5.0, "peak_mb": 400.0}
    rows = [
        row("hsic", "HSIC", "bfloat16", large, ours=ours, width=theirs, **{"textbook in float32": {"ms": 300.0}}),
        row("contrastive", "InfoNCE", "bfloat16", many, ours=ours, textbook=theirs, memeff={"ms": 3.0}),
        row("contrastive", "InfoNCE", "float32", many, ours=ours, textbook={"ms": 7.0}),
        row("contrastive", "InfoNCE, identities", "bfloat16", many, ours={"ms": 2.5}),
        row("scan", "selective scan", "float32", {"B": 16, "L": 512, "E": 1024, "S": 16}, ours=ours, mamba_ssm=theirs),
        row("profile", "HSIC", "bfloat16", {"N": 64, "D": 512}) | {"arm": "ours", "launches": 3},
    ]
    # Of the three launches of a call whose first gradient was not given, one fills it.
    rows[1]["share_of_product"] = 0.6
    found = _gpu_goals.ratios(rows)
    assert found == pytest.approx({
        "hsic_vs_textbook": 150, "hsic_vs_width": 2.5, "hsic_launches": 2, "infonce_memory_vs_textbook": 100,
        "infonce_vs_textbook_float32": 3.5, "infonce_share_of_rate": 0.6, "infonce_vs_memeff": 1.5,
        "infonce_identities_vs_memeff": 1.2, "scan_time_vs_mamba_ssm": 0.4,
    })  # fmt: skip
    assert found.keys() <= GPU_TARGETS.keys()
