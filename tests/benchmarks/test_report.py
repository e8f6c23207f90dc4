"""Numbers in README and docs are those of the committed results."""

import runpy
import sys

import pytest


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend("benchmarks")
    yield runpy.run_path("benchmarks/_report.py")
    sys.modules.pop("_tables", None)
    sys.modules.pop("_bdam_tables", None)


def test_pages_hold_the_committed_results(report):
    for page in report["PAGES"]:
        text = page.read_text()
        assert report["BLOCK"].search(text), f"{page} has no measured block"
        assert report["filled"](text) == text, f"{page} differs from benchmarks/results: python benchmarks/_report.py"


def test_every_committed_ratio_meets_its_target(report):
    found = report["result"]("evaluation")
    assert found["ratios"]["speedup_vs_argsort"] >= 12
    assert found["ratios"]["memory_vs_argsort"] >= 12
    assert found["ratios"]["time_vs_matmul"] <= 2.2
    loading = report["result"]("data_loading")
    assert all(loading["ratios"][name] >= target for name, target in loading["targets"].items())
    training = report["result"]("training")
    assert not training["tiny"]
    assert training["ratios"]["padding unread"] >= 1.5
    assert min(training["ratios"].values()) > 1.3  # the two cases that read padding stay below the target
    for name in ("losses", "selective_scan"):
        found = report["result"](name)
        for key, target in found["targets"].items():
            assert found["ratios"][key] >= float(target.removeprefix(">= ")), f"{name}: {key} is below {target}"
    page = report["result"]("leaderboard_page")
    assert page["size"]["records"] >= 10_000
    assert max(page["ratios"].values()) <= 1
    power = report["result"]("compare_power")["ratios"]
    assert power["largest_false_claims"] <= 0.1
    assert power["smallest_power"] >= 0.8


def test_a_number_changed_by_hand_is_written_over(report):
    page = report["PAGES"][0].read_text()
    assert report["filled"](page.replace("faster", "slower")) == page
