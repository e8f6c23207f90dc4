"""Headless Chromium for the page of a board."""

from importlib import import_module
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def bench():
    """benchmarks/leaderboard_page.py as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        yield import_module("leaderboard_page")


@pytest.fixture(scope="module")
def browser(bench):
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    with api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=str(CHROMIUM), args=bench.FLAGS)
