"""One setting of torch, held by several searches at once."""

import threading

import pytest
import torch

from tbpsbench.vectors import full_precision


@pytest.fixture
def medium():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_the_last_of_several_threads_restores_the_precision(medium):
    first, second = full_precision("cpu"), full_precision("cpu")
    inside, leave = threading.Event(), threading.Event()
    found = []

    def overlap():
        with second:
            inside.set()
            leave.wait(10)
            found.append(torch.get_float32_matmul_precision())

    thread = threading.Thread(target=overlap)
    with first:
        thread.start()
        assert inside.wait(10)
    assert torch.get_float32_matmul_precision() == "highest"  # the other still computes
    leave.set()
    thread.join()
    assert found == ["highest"]
    assert torch.get_float32_matmul_precision() == "medium"


def test_nested_it_is_restored_at_the_end_alone(medium):
    with full_precision("cpu"):
        with full_precision("cpu"):
            pass
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "medium"


def test_an_error_restores_it_too(medium):
    with pytest.raises(ZeroDivisionError), full_precision("cpu"):
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == "medium"
