"""Kernels in Triton's interpreter, which must be chosen before anything imports triton; outputs poisoned with NaN.

This folder also runs in an environment of torch, triton, numpy and pytest alone (`make test-kernels-old`).
"""

import os

os.environ["TRITON_INTERPRET"] = "1"

import kernel_cases
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _launches_are_kept_for_what_they_are_compiled_for(monkeypatch):
    kernel_cases.watch_launches(monkeypatch)


@pytest.fixture
def poisoned(monkeypatch):
    """Fresh memory that code of `tbpsbench.kernels` asks for holds NaN (integers: their smallest value)."""
    kernel_cases.poison(monkeypatch)


@pytest.fixture(params=["torch", "triton"])
def backend(request, monkeypatch, poisoned):
    """Run a test on each back end, with poisoned memory; "triton" is the interpreter."""
    kernel_cases.use_backend(request.param, monkeypatch)
    return request.param


@pytest.fixture
def triton_backend(monkeypatch, poisoned):
    """Run a test with Triton's interpreter alone, with poisoned memory."""
    kernel_cases.use_backend("triton", monkeypatch)
