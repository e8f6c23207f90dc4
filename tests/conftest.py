"""Shared by all tests: seeds, one thread per process, one tiny MiniPEDES, tools run as a user runs them."""

import os
import runpy
import sys
from pathlib import Path

# Kernels run in Triton's interpreter; it must be chosen before anything imports triton. CPU tensors alone use neither.
os.environ["TRITON_INTERPRET"] = "1"

import pytest
import suite_seeds
from small_models import tiny_mini_pedes
from smallest import DEMO, SMALLEST

pytest.register_assert_rewrite("golden_files", "golden_losses", "benchmark_runs")

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    suite_seeds.register(config)


@pytest.fixture(scope="session")
def mini(tmp_path_factory):
    """Root of a tiny MiniPEDES, made once and shared by all test processes."""
    return tiny_mini_pedes(tmp_path_factory)


@pytest.fixture
def demo(mini):
    """The demo's config and the overrides that make it small."""
    return [DEMO, "--cfg-options", f"data.dataset.root={mini}", *SMALLEST]


@pytest.fixture
def tool(monkeypatch, capfd):
    """Run a tool as `python tools/NAME.py ARGS` would, in this process: (exit code, stdout, stderr)."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"tools/{name}.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(ROOT / "tools" / f"{name}.py"), run_name="__main__")
        out, err = capfd.readouterr()
        return exit_.value.code, out, err

    return run
