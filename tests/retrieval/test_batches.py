"""Batches of files: in order, whole, the same by both ways; threads end with them."""

import threading

import numpy as np
import pytest
import torch

from tbpsbench import load_system
from tbpsbench.retrieval import batches
from tbpsbench.retrieval.walk import find_pictures


@pytest.fixture
def system(checkpoints):
    return load_system(checkpoints["vectors"], device="cpu")


@pytest.fixture
def wanted(photos):
    (photos / "3.png").write_text("no picture")
    for name in ("7.png", "more/8.png", "more/9.png"):
        (photos / name).write_text("none, either")
    return find_pictures(photos).pictures


@pytest.mark.parametrize("way", ["_whole_batches", "_ahead_of_a_gpu"])
@pytest.mark.parametrize("workers", [1, 3])
def test_both_ways_embed_all_in_order(system, photos, wanted, way, workers):
    parts = [wanted[first : first + 3] for first in range(0, len(wanted), 3)]
    found = list(getattr(batches, way)(system, photos, parts, workers))
    assert [batch.items for batch in found] == parts
    looks = [look for batch in found for look in batch.looks]
    good = [photos / item.file for item, look in zip(wanted, looks, strict=True) if not look.reason]
    assert len(good) == 6
    assert found[-1].embedded is None
    embedded = torch.cat([batch.embedded for batch in found if batch.embedded is not None])
    np.testing.assert_allclose(embedded, system.encode_images(good), atol=1e-5)


@pytest.mark.parametrize("way", ["_whole_batches", "_ahead_of_a_gpu"])
def test_threads_end_and_torch_has_as_many_as_before(system, photos, wanted, way):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        running = getattr(batches, way)(system, photos, [[item] for item in wanted], 2)
        next(running)
        assert any(thread.name.startswith("embed") for thread in threading.enumerate())
        running.close()
        assert not any(thread.name.startswith("embed") for thread in threading.enumerate())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_error_of_the_model_is_told(system, photos, wanted, monkeypatch):
    monkeypatch.setattr(type(system), "encode_prepared", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
    with pytest.raises(RuntimeError, match="no memory"):
        list(batches.embedded_batches(system, photos, wanted, batch_size=2, workers=2))


def test_two_at_a_time_leave_torch_as_it_was(system, photos, wanted):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        one, other = (batches._whole_batches(system, photos, [[item] for item in wanted], 1) for _ in range(2))
        next(one)
        next(other)
        one.close()
        assert torch.get_num_threads() == 1
        other.close()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
