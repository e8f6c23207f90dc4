"""A pytest plug-in: what a test draws depends on the base seed and on the test's own name, never on other tests.

Torch's global switches are the same at every start, too.

The base seed is TBPSBENCH_TEST_SEED, else that of pytest-randomly where it is at work, else 0. Tests may so draw from
the global generators of `random`, numpy and torch, in any order, and build modules with torch's default initialisation.
"""

import os
import random
import sys
from zlib import crc32

import numpy as np
import pytest
import torch


def register(config):
    """For the `pytest_configure` of a conftest; two of them meet in a run of all tests."""
    if not config.pluginmanager.hasplugin("suite_seeds"):
        config.pluginmanager.register(sys.modules[__name__], "suite_seeds")


def base_seed(config):
    chosen = os.environ.get("TBPSBENCH_TEST_SEED") or config.getoption("randomly_seed", None) or 0
    return int(chosen)


def start(config, name):
    """Seed the global generators for `name`, and undo what a run of training in this process switches."""
    torch.use_deterministic_algorithms(False)
    torch.set_default_dtype(torch.float32)
    # Two cores run two test processes, and bits do not depend on the machine's load.
    torch.set_num_threads(1)
    # Not hash(), which differs from process to process.
    found = crc32(f"{base_seed(config)} {name}".encode())
    random.seed(found)
    np.random.seed(found)
    torch.manual_seed(found)


@pytest.fixture(autouse=True)
def _seeded(request):
    # pytest-randomly would seed two of the three once more, after this.
    request.config.option.randomly_reset_seed = False
    start(request.config, request.node.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """Seed what is shared by several tests, too: which of them comes first must not matter."""
    if fixturedef.scope != "function":
        start(request.config, f"{request.node.nodeid} {fixturedef.argname} {getattr(request, 'param_index', 0)}")
    return (yield)
