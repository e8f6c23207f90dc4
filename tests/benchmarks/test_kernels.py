"""The benchmark of the kernels runs, checks itself and prints what it promises; no time is judged here."""

import dataclasses

import pytest
from benchmark_runs import benchmark

SIZE = ["--rows", 48, "--hsic-rows", 48, "--few", 8, "--dim", 16, "--length", 9, "--batch", 4, "--channels", 8]
SIZE += ["--states", 3, "--one-batch", 3]


def test_benchmark_prints_one_json_object_last():
    result = benchmark("kernels", "--device", "cpu", "--repeats", 1, *SIZE, "--only", "sdm,hsic_few,scan_one_position")
    assert {"sdm_vs_textbook", "sdm_memory_vs_textbook", "hsic_few_vs_best_plain"} <= set(result["ratios"])
    assert result["size"]["sdm"] == {"N": 48, "D": 16}
    assert {"ours", "textbook", "width", "rows"} <= set(result["cpu_seconds"]["hsic_few"])
    assert {"ours", "textbook", "published"} <= set(result["cpu_seconds"]["scan_one_position"])
    assert set(result["peak_mb"]) == {"sdm"}
    assert max(result["largest_difference"].values()) <= result["tolerance"]


def test_every_target_is_a_ratio_of_some_race(modules):
    import kernels
    from _targets import TARGETS

    found = set()
    for race in kernels.races(kernels.options_of([])):
        arms = dict.fromkeys([*kernels.arms_of(race), "pml" if race.key == "triplet" else "mambapy"], 1.0)
        found |= set(kernels.ratios_of(race, arms, arms if race.memory else {}))
    assert set(TARGETS["kernels"]) <= found


@pytest.mark.parametrize("key", ["infonce", "tal", "hsic", "triplet", "scan"])
def test_arms_of_every_race_agree(modules, key):
    import kernels

    (race,) = kernels.races(kernels.options_of([*map(str, SIZE), "--repeats", "1", "--only", key]))
    seconds, difference = kernels.run(race, threads=1)
    assert set(seconds) >= {"ours", "textbook"}
    assert difference <= kernels.TOLERANCE


def test_what_needs_a_gpu_is_no_arm_on_a_cpu(modules, monkeypatch):
    import kernels

    def fails(*_):
        raise AssertionError("memeff's kernel got tensors of a CPU")

    (race,) = kernels.races(kernels.options_of([*map(str, SIZE), "--repeats", "1", "--only", "infonce"]))
    job = kernels.JOBS["InfoNCE"]
    offered = dataclasses.replace(job, others=lambda: {"memeff": fails, "open_clip": job.textbook})
    monkeypatch.setitem(kernels.JOBS, "InfoNCE", offered)
    assert set(kernels.run(race, threads=1)[0]) == {"ours", "textbook", "open_clip"}


def test_arms_that_disagree_give_no_speed(modules, monkeypatch):
    import kernels

    (race,) = kernels.races(kernels.options_of([*map(str, SIZE), "--only", "sdm"]))
    job = kernels.JOBS["SDM"]
    wrong = dataclasses.replace(job, ours=lambda *x: 1.001 * job.ours(*x))
    monkeypatch.setitem(kernels.JOBS, "SDM", wrong)
    with pytest.raises(SystemExit, match=r"sdm: the arms disagree by 1\.0e-03.*No speed is reported"):
        kernels.run(race, threads=1)
