"""The nearest items of every item, kept while distances come in strip by strip; little is ever sorted.

What is not nearer than the worst that an item has kept is passed over by one comparison of the whole strip.

Shapes: N items, K kept of each; B items of a strip, C items from its first on, L those behind it, H pairs that are near
enough, O owners of such pairs, W places of the fullest of them.
"""

from __future__ import annotations

import numpy as np

INFINITY = np.float32(np.inf)
# Nobody yet: infinitely far, behind every number.
NOBODY = np.uint64(int(INFINITY.view(np.uint32)) << 32 | 0xFFFFFFFF)
SHIFT, NUMBER = np.uint64(32), np.uint64(0xFFFFFFFF)


class Nearest:
    """Each kept item is one number, the bits of its distance before its own number: their order is that of distances,
    and of equal distances the lower number comes first.

    Args:
        items, count: N and K, at most N.
    """

    def __init__(self, items: int, count: int) -> None:
        self.key_NK = np.full((items, count), NOBODY)

    def see(self, start: int, distance_BC: np.ndarray) -> None:
        """Take in distances of a strip of items; strips come in order.

        Args:
            start: the strip's first item.
            distance_BC: float32, at least 0, from the items of the strip to all from `start` on; it stands for both
                sides of a pair.
        """
        rows, count = len(distance_BC), self.key_NK.shape[1]
        # Later numbers lose a tie with earlier ones: only what is nearer can enter.
        worst_C = (self.key_NK[start:].max(axis=1) >> SHIFT).astype(np.uint32).view(np.float32)
        limit_B, limit_L, later_BL = worst_C[:rows], worst_C[rows:], distance_BC[:, rows:]
        if start == 0:
            limit_B, limit_L = above_nearest(distance_BC, count), above_nearest(later_BL.T, count)
        own_H, item_H = np.divmod(np.flatnonzero(distance_BC < limit_B[:, None]), distance_BC.shape[1])
        self._keep(start, own_H, distance_BC[own_H, item_H], start + item_H)
        item_H, own_H = np.divmod(np.flatnonzero(later_BL < limit_L), max(1, later_BL.shape[1]))
        self._keep(start + rows, own_H, later_BL[item_H, own_H], start + item_H)

    def ranks(self) -> np.ndarray:
        """(N, K) int32 numbers of the kept items, nearest first."""
        return (np.sort(self.key_NK, axis=1) & NUMBER).astype(np.int32)

    def _keep(self, start: int, own_H: np.ndarray, distance_H: np.ndarray, item_H: np.ndarray) -> None:
        """Item `start + own_H` has seen `item_H`: join what it has kept, and drop the farthest."""
        if not len(own_H):
            return
        key_H = distance_H.view(np.uint32).astype(np.uint64) << SHIFT | item_H.astype(np.uint64)
        seen_O = np.bincount(own_H)
        # Small numbers are sorted by their digits.
        order_H = np.argsort(own_H.astype(np.uint16) if len(seen_O) <= 1 << 16 else own_H, kind="stable")
        place_H = np.arange(len(own_H)) - np.repeat(np.cumsum(seen_O) - seen_O, seen_O)
        kept_OK = self.key_NK[start : start + len(seen_O)]
        count = kept_OK.shape[1]
        wide_OW = np.full((len(seen_O), count + seen_O.max()), NOBODY)
        wide_OW[:, :count] = kept_OK
        wide_OW[own_H[order_H], count + place_H] = key_H[order_H]
        wide_OW.partition(count - 1, axis=1)
        kept_OK[:] = wide_OW[:, :count]


def above_nearest(distance_BC: np.ndarray, count: int) -> np.ndarray:
    """(B,) float32: just above a distance that at least `count` of a row do not exceed.

    It is the largest of the smallest distances of `count` equal shares of the row: less work than to find the count-th.
    """
    rows, columns = distance_BC.shape
    share = columns // count
    if not share:
        return np.full(rows, INFINITY)
    shares_BKS = distance_BC[:, : share * count].reshape(rows, count, share)
    return np.nextafter(shares_BKS.min(axis=2).max(axis=1), INFINITY)
