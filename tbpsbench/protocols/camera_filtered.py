"""The person must be found in the view of another camera, as person re-identification asks (Zheng et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.registry import PROTOCOLS
from tbpsbench.types import ImageRecord


@PROTOCOLS.register("camera-filtered")
class CameraFiltered(Protocol):
    """Images of the person by the camera of the captioned image leave the gallery; who was seen by one camera alone
    is not asked for, and counted."""

    skips_unmatched: ClassVar[bool] = True

    def task(self, asked: Sequence[ImageRecord], gallery: Sequence[ImageRecord]) -> Task:
        unknown = [record.file for record in (*asked, *gallery) if record.camera is None]
        if unknown:
            raise DataError(
                f"evaluation.protocols: 'camera-filtered' needs the camera of every image; {len(set(unknown))} have "
                f"none, e.g. {unknown[0]!r}; leave it out for this data set"
            )
        return Task(
            np.ones(len(asked), dtype=bool),
            np.array([record.camera for record in asked]),
            np.array([record.camera for record in gallery]),
        )
