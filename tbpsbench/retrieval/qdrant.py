"""A gallery that outgrows one machine: the vectors lie on a Qdrant server, which this machine asks.

    docker run -p 6333:6333 -v "$PWD/qdrant:/qdrant/storage" qdrant/qdrant

Without a `url` the client's own engine keeps them in the index's folder: the same calls, for tests and small galleries.

Shapes: Q queries, N items, D width, K best.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import atomic_write
from tbpsbench.metrics.even import row_products
from tbpsbench.parts import require
from tbpsbench.reading import read_text
from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.base import Index

KEY_VARIABLE = "QDRANT_API_KEY"
# Vectors in one request.
PART = 256
# Holds the name of the collection that this index has made on a server.
MARK = "collection"
# Points that are asked for beyond the k best, and how many times as many where all of them are equal.
SPARE, GROWTH = 8, 4


@INDEXES.register("qdrant")
class QdrantIndex(Index):
    """Vectors in a collection of a Qdrant server. Needs `pip install 'tbpsbench[qdrant]'`.

    The server's key, if it asks for one, is read from the environment variable QDRANT_API_KEY.

    Of equal scores those of lower ids come first, as far as the server finds them: walking its graph, it may pass over
    some of many equal vectors, as over any other.

    Args:
        folder, dim, writable: supplied by the gallery.
        url: of the server, e.g. "http://localhost:6333"; None: the engine in this process.
        collection: its name on the server, where it must be new; one index each. None: a name that nobody else has.
        exact: let the server compare every vector, instead of walking its graph.

    Raises:
        ConfigError: if the package is not installed.
        StorageError: if the server does not answer, or holds a collection of this name that is not this index's.
    """

    def __init__(
        self, folder: str | Path, dim: int, writable: bool = True, url: str | None = None,
        collection: str | None = None, exact: bool = False,
    ) -> None:  # fmt: skip
        client = require("qdrant_client", "qdrant", "the index 'qdrant'")
        self._models: Any = client.models
        self.folder, self.dim, self.writable = Path(folder), dim, writable
        self._url, mark = url, self.folder / MARK
        ours = read_text(mark).strip() if mark.is_file() else None
        self._collection = name = collection or ours or (f"tbpsbench-{uuid.uuid4().hex[:12]}" if url else "tbpsbench")
        self._exact, self._hidden = exact, np.empty(0, np.int64)
        try:
            if url is None:
                self._client: Any = client.QdrantClient(path=str(self.folder / "qdrant"))
            else:
                self._client = client.QdrantClient(url=url, api_key=os.environ.get(KEY_VARIABLE))
            there = self._client.collection_exists(name)
            if there and url is not None and name != ours:
                raise StorageError(
                    f"{url}: holds a collection {name!r} already, of another index. Choose another name (collection=)."
                )
            if writable and url is not None and name != ours:
                with atomic_write(mark, "w") as stream:
                    stream.write(name)
            if not there:
                sizes = self._models.VectorParams(size=dim, distance=self._models.Distance.DOT, on_disk=True)
                self._client.create_collection(name, vectors_config=sizes)
        except StorageError:
            raise
        except Exception as error:  # of the client, its transport, or another process that holds the folder
            raise StorageError(f"{url or self.folder}: Qdrant cannot be opened ({error})") from error

    def search(self, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Index.search`."""
        query_QD = self._asked(query_QD, k)
        k = min(k, there := len(self))
        score_QK, id_QK = np.empty((len(query_QD), k), np.float32), np.empty((len(query_QD), k), np.int64)
        if not k:
            return score_QK, id_QK
        for query, query_D in enumerate(query_QD):
            score_C, id_C = self._found(query_D, k, there)
            order_K = np.lexsort((id_C, -score_C))[:k]
            score_QK[query], id_QK[query] = score_C[order_K], id_C[order_K]
        return score_QK, id_QK

    def _found(self, query_D: np.ndarray, k: int, there: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and ids of k points at least, and of all that are found to score like the k-th.

        Equal ones come in any order, and are cut off in it, so more are asked for until the last lies below the k-th.
        """
        settings, hidden = self._models.SearchParams(exact=self._exact), None
        if len(self._hidden):
            hidden = self._models.Filter(must_not=[self._models.HasIdCondition(has_id=self._hidden.tolist())])
        # A server scores each vector by itself. The client's own engine multiplies a matrix, in which equal rows get
        # unequal products (metrics/even.py): its vectors are multiplied anew.
        anew, asked = self._url is None, min(k + SPARE, there)
        while True:
            points = self._client.query_points(
                self._collection, query=query_D.tolist(), limit=asked, search_params=settings, query_filter=hidden,
                with_payload=False, with_vectors=anew,
            ).points  # fmt: skip
            if len(points) < k:
                raise DataError(f"{self._collection}: Qdrant returned {len(points)} of {k} points. Set exact=True.")
            score_C, slack = np.array([point.score for point in points], np.float32), 0.0
            if anew:
                vector_CD = np.array([point.vector for point in points], np.float32)
                slack = _slack(query_D, vector_CD)
            if len(points) < asked or asked == there or score_C[-1] < score_C[k - 1] - slack:
                break
            asked = min(GROWTH * asked, there)
        if anew:
            score_C = row_products(vector_CD, query_D)
        return score_C, np.array([point.id for point in points], np.int64)

    def add(self, id_N: np.ndarray, vector_ND: np.ndarray) -> None:
        """See `Index.add`; the server has them when this returns."""
        id_N, vector_ND = self._given(id_N, vector_ND)
        for first in range(0, len(id_N), PART):
            batch = self._models.Batch(
                ids=id_N[first : first + PART].tolist(), vectors=vector_ND[first : first + PART].tolist()
            )
            self._client.upsert(self._collection, batch, wait=True)

    def remove(self, id_N: np.ndarray) -> None:
        """See `Index.remove`."""
        if not self.writable:
            self._hidden = np.union1d(self._hidden, id_N)
        elif len(id_N):
            chosen = self._models.PointIdsList(points=np.asarray(id_N).tolist())
            self._client.delete(self._collection, chosen, wait=True)

    def vectors(self, id_N: np.ndarray) -> np.ndarray:
        """See `Index.vectors`."""
        found: dict[int, Any] = {}
        for first in range(0, len(id_N), PART):
            asked = np.asarray(id_N[first : first + PART]).tolist()
            points = self._client.retrieve(self._collection, asked, with_vectors=True, with_payload=False)
            found |= {point.id: point.vector for point in points}
        if missing := [number for number in np.asarray(id_N).tolist() if number not in found]:
            raise DataError(f"{self._collection}: Qdrant holds no item {missing[0]}")
        rows = [found[number] for number in np.asarray(id_N).tolist()]
        return np.asarray(rows, np.float32).reshape(len(id_N), self.dim)

    def ids(self) -> np.ndarray:
        """See `Index.ids`; the server is asked page by page."""
        numbers: list[int] = []
        offset = None
        while True:
            points, offset = self._client.scroll(
                self._collection, limit=10_000, offset=offset, with_payload=False, with_vectors=False
            )
            numbers += [point.id for point in points]
            if offset is None:
                return np.setdiff1d(np.asarray(numbers, np.int64), self._hidden)

    def last_id(self) -> int:
        """See `Index.last_id`; the server takes an id again that was removed."""
        return -1

    def close(self) -> None:
        """See `Index.close`."""
        self._client.close()

    def __len__(self) -> int:
        return int(self._client.count(self._collection, exact=True).count) - len(self._hidden)


def _slack(query_D: np.ndarray, vector_CD: np.ndarray) -> float:
    """How far apart two scores of the engine must be to be in this order by any other way to sum, too.

    Each may be off by D roundings to 24 bits of a product of the two lengths; rows that were not found are taken to be
    as long as those that were.
    """
    lengths = float(np.linalg.norm(query_D)) * float(np.linalg.norm(vector_CD, axis=1).max())
    return 4 * len(query_D) * 2.0**-24 * lengths
