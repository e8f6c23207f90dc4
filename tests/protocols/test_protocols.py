"""Who asks and what leaves the gallery, on data small enough to read; the contract is in tests/contract."""

import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.registry import PROTOCOLS
from tbpsbench.types import ImageRecord


def image(image_id, pid, split="test", outfit="A", camera=0):
    return ImageRecord(image_id, f"{image_id}.png", pid, split, (), outfit=outfit, camera=camera)


GALLERY = [image(0, 7), image(1, 7, camera=1), image(2, 8)]
CHANGED = [image(3, 7, "test-clothes", "B")]


def build(name) -> Protocol:
    return PROTOCOLS.build({"type": name})


def test_standard_keeps_everything_and_can_be_turned_round():
    protocol = build("standard")
    task = protocol.task(GALLERY, GALLERY)
    assert task.asks_Q.all()
    assert task.query_group_Q is None
    assert protocol.reversible
    assert not protocol.skips_unmatched


def test_captioned_image_leaves_the_gallery_and_nothing_else():
    protocol = build("without-captioned-image")
    task = protocol.task([GALLERY[1], GALLERY[2]], GALLERY)
    leaves = task.query_group_Q[:, None] == task.gallery_group_G
    assert leaves.tolist() == [[False, True, False], [False, False, True]]
    assert protocol.skips_unmatched


def test_only_persons_with_a_second_outfit_ask_and_their_first_leaves():
    protocol = build("clothes-change")
    task = protocol.task(GALLERY, [*GALLERY, *CHANGED])
    assert task.asks_Q.tolist() == [True, True, False]
    assert (task.query_group_Q[:1, None] == task.gallery_group_G).tolist() == [[True, True, True, False]]
    assert protocol.gallery_splits("val") == ("val", "val-clothes")
    with pytest.raises(DataError, match="second outfit"):
        protocol.task(GALLERY, GALLERY)


def test_a_plug_in_can_add_one():
    @PROTOCOLS.register("other-camera")
    class OtherCamera(Protocol):
        """The camera of the captioned image leaves the gallery."""

        def task(self, asked, gallery):
            groups = (np.array([record.camera for record in side]) for side in (asked, gallery))
            return Task(np.ones(len(asked), bool), *groups)

    try:
        assert "other-camera" in PROTOCOLS.names()
        assert build("other-camera").task(GALLERY, GALLERY).asks_Q.all()
    finally:
        PROTOCOLS.remove("other-camera")


def test_the_persons_images_by_the_same_camera_leave():
    protocol = build("camera-filtered")
    task = protocol.task([GALLERY[1], GALLERY[2]], GALLERY)
    same = task.query_group_Q[:, None] == task.gallery_group_G
    assert same.tolist() == [[False, True, False], [True, False, True]]
    assert protocol.skips_unmatched
    with pytest.raises(DataError, match=r"needs the camera of every image; 1 have none, e\.g\. '9\.png'"):
        protocol.task(GALLERY, [*GALLERY, image(9, 8, camera=None)])
