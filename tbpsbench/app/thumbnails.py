"""Small copies of pictures: decoded and written anew, so that nothing of a file but its pixels leaves the machine."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

from PIL import Image

from tbpsbench.app.systems import Systems

HEIGHT, WIDTH, QUALITY = 384, 384, 90
MOST_BYTES = 64_000_000


class Thumbnails:
    """Makes them, and keeps the last ones.

    Args:
        systems: whose pictures.
        most_bytes: that are kept.
    """

    def __init__(self, systems: Systems, most_bytes: int = MOST_BYTES) -> None:
        self._systems, self._most = systems, most_bytes
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, position: int) -> bytes:
        """A JPEG of at most `WIDTH` x `HEIGHT` pixels. May be called in any thread.

        Raises:
            DataError: if the picture is gone, damaged, or a link out of its folder.
        """
        with self._lock:
            if position in self._kept:
                self._kept.move_to_end(position)
                return self._kept[position]
        data = encode(self._systems.picture(position))
        with self._lock:
            if position not in self._kept:
                self._kept[position] = data
                self._bytes += len(data)
            while self._bytes > self._most:
                _, old = self._kept.popitem(last=False)
                self._bytes -= len(old)
        return data


def encode(picture: Image.Image) -> bytes:
    """Pixels as JPEG, made smaller where they are larger than the page needs; no profile, comment or EXIF block."""
    small = Image.new("RGB", picture.size)
    small.paste(picture)
    small.thumbnail((WIDTH, HEIGHT))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
