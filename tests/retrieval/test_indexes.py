"""Every index keeps the contract; exact search is exact; what is compressed is re-ranked and follows its rows."""

import numpy as np
import pytest

from tbpsbench.errors import ConfigError, DataError, StorageError
from tbpsbench.retrieval import exact, half
from tbpsbench.retrieval.exact import ExactIndex
from tbpsbench.retrieval.qdrant import QdrantIndex
from tbpsbench.retrieval.rows import Rows
from tbpsbench.retrieval.scan import scan
from tbpsbench.testing import check_index


def unit(count, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_exact_keeps_the_contract(dtype):
    check_index({"type": "exact", "dtype": dtype})


def test_turbovec_keeps_the_contract():
    pytest.importorskip("turbovec")
    check_index({"type": "turbovec", "candidates": 40}, items=500)


@pytest.mark.parametrize(
    "config",
    [
        {"type": "faiss-hnsw", "candidates": 40},
        {"type": "faiss-ivfpq", "lists": 4, "code_bytes": 8, "probes": 4, "candidates": 200},
        {"type": "faiss-rabitq", "candidates": 200},
        {"type": "faiss-rabitq", "candidates": 60, "bits": 4},
    ],
    ids=["hnsw", "ivfpq", "rabitq", "rabitq of four bits"],
)
def test_faiss_keeps_the_contract(config):
    pytest.importorskip("faiss")
    check_index(config, items=1500, recall=0.95)


def test_a_scan_that_cannot_leave_rows_out_asks_for_more(tmp_path):
    pytest.importorskip("faiss")
    from tbpsbench.retrieval.faiss_rabitq import FaissRaBitQ

    index = FaissRaBitQ(tmp_path, 64, bits=4, candidates=200)
    index.add(np.arange(4000), unit(4000, 64))
    query_QD = unit(2, 64, seed=1)
    order_N = np.argsort(-(index.vectors(np.arange(4000)) @ query_QD[0]))
    index.remove(np.sort(order_N[:1000]))
    assert index.taken_in() == 4000
    assert index.search(query_QD[:1], 20)[1].tolist() == [order_N[1000:1020].tolist()]
    index.close()
    opened = FaissRaBitQ(tmp_path, 64, writable=False, bits=4)
    assert opened._made.rabitq.nb_bits == 4
    assert opened.search(query_QD[:1], 20)[1].tolist() == [order_N[1000:1020].tolist()]
    # A file of other bits is not taken for one's own.
    assert FaissRaBitQ(tmp_path, 64, writable=False, bits=1)._made.rabitq.nb_bits == 1
    with pytest.raises(ValueError, match="bits is 0"):
        FaissRaBitQ(tmp_path / "other", 64, bits=0)


def test_an_old_faiss_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    faiss = pytest.importorskip("faiss")
    from tbpsbench.retrieval.faiss_rabitq import FaissRaBitQ

    monkeypatch.setattr(faiss, "__version__", "1.13.1")
    with pytest.raises(ConfigError, match=r"needs FAISS 1\.13\.2 or newer, found 1\.13\.1"):
        FaissRaBitQ(tmp_path / "index", 64)
    assert not (tmp_path / "index").exists()


@pytest.fixture
def server(monkeypatch):
    """Qdrant's own engine in the place of a server; what is closed stays there."""
    client = pytest.importorskip("qdrant_client")
    engine = client.QdrantClient(":memory:")
    monkeypatch.setattr(engine, "close", lambda: None)
    monkeypatch.setattr(client, "QdrantClient", lambda **_: engine)
    return engine


def test_indexes_on_one_server_keep_apart(server, tmp_path):
    vectors = np.eye(4, dtype=np.float32)
    for name, rows in (("one", vectors), ("other", vectors[::-1])):
        (tmp_path / name).mkdir()
        QdrantIndex(tmp_path / name, 4, url="http://there").add(np.arange(4), rows)
    assert len(server.get_collections().collections) == 2
    for name, rows in (("one", vectors), ("other", vectors[::-1])):
        index = QdrantIndex(tmp_path / name, 4, writable=False, url="http://there")
        assert np.array_equal(index.vectors(np.arange(4)), rows)


def test_a_collection_of_another_index_is_refused(server, tmp_path):
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    QdrantIndex(folders[0], 4, url="http://there", collection="mine").add(np.arange(4), np.eye(4, dtype=np.float32))
    assert len(QdrantIndex(folders[0], 4, url="http://there", collection="mine").ids()) == 4
    with pytest.raises(StorageError, match="holds a collection 'mine' already, of another index"):
        QdrantIndex(folders[1], 4, url="http://there", collection="mine")


def test_qdrant_keeps_the_contract():
    pytest.importorskip("qdrant_client")
    check_index({"type": "qdrant"})


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("turbovec", "turbovec", "turbovec"), ("faiss-hnsw", "faiss", "faiss"), ("qdrant", "qdrant_client", "qdrant")],
)
def test_a_missing_package_is_named_with_the_command(name, package, extra, monkeypatch, tmp_path):
    import importlib

    from tbpsbench import registry

    real = importlib.import_module

    def absent(module, *arguments):
        if module == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(module, *arguments)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=rf"pip install 'tbpsbench\[{extra}\]'"):
        registry.INDEXES.build({"type": name}, "index", {"folder": tmp_path, "dim": 8, "writable": True})


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_half_the_bytes_give_the_exact_result(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(exact, "MANY_ROWS", 100)
    monkeypatch.setattr(half, "STEP", 512)
    monkeypatch.setattr(half, "FIRST", 64)
    row_ND, query_QD = unit(3000, 32), unit(20, 32, seed=1)
    row_ND[1000:1020] = row_ND[7]  # ties, in the order of their ids
    index = ExactIndex(tmp_path, 32, dtype=dtype)
    index.add(np.arange(1500), row_ND[:1500])
    index.add(np.arange(1500, 3000), row_ND[1500:])
    index.remove(np.arange(0, 3000, 11))
    used = 0
    for query_D in (*query_QD, row_ND[7]):
        candidate_C = index._half.candidates(query_D, 10, index.rows.alive)
        used += candidate_C is not None
        score_K, id_K = index.search(query_D[None], 10)
        expected = scan(index.rows, query_D[None], 10)
        assert id_K.tolist() == expected[1].tolist()
        np.testing.assert_allclose(score_K, expected[0], atol=1e-6)
    assert used >= 20
    reopened = ExactIndex(tmp_path, 32, writable=False, dtype=dtype)
    assert reopened.search(query_QD[:1], 10)[1].tolist() == index.search(query_QD[:1], 10)[1].tolist()


def test_the_bound_on_rounded_products_holds(tmp_path):
    import torch

    for dim, seed in ((8, 0), (100, 1), (512, 2), (1024, 3)):
        row_ND = np.abs(unit(2000, dim, seed))  # of one sign, so that sums are as large as they can be
        query_D = np.abs(unit(1, dim, seed + 9))[0]
        rough_N = (torch.from_numpy(row_ND).half() @ torch.from_numpy(query_D).half()).float().numpy()
        off = np.abs(rough_N - row_ND.astype(np.float64) @ query_D).max()
        assert off <= half.furthest(dim, 1.0)
        assert off > half.furthest(dim, 1.0) / 50  # the bound says something


def test_long_rows_are_scanned_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(exact, "MANY_ROWS", 10)
    row_ND, query_D = 1000 * unit(200, 16), unit(1, 16, seed=1)
    index = ExactIndex(tmp_path, 16)
    index.add(np.arange(200), row_ND)
    assert index._half.candidates(query_D[0], 5, index.rows.alive) is None
    assert index.search(query_D, 5)[1].tolist() == np.argsort(-(query_D @ row_ND.T), kind="stable")[:, :5].tolist()


def test_equal_scores_come_in_the_order_of_the_ids(tmp_path):
    index = ExactIndex(tmp_path, 4)
    index.add(np.arange(9000), np.ones((9000, 4), np.float32))
    assert index.search(np.ones((2, 4), np.float32), 12)[1].tolist() == [list(range(12))] * 2


def test_half_written_rows_are_cut_off(tmp_path):
    rows = Rows(tmp_path, 4)
    rows.append(np.array([5, 9]), np.ones((2, 4), np.float32))
    for name, content in (("vectors.f32", b"x" * 21), ("ids.i64", b"y" * 3)):
        with (tmp_path / name).open("ab") as stream:
            stream.write(content)
    assert Rows(tmp_path, 4, writable=False).ids().tolist() == [5, 9]
    again = Rows(tmp_path, 4)
    again.append(np.array([10]), np.full((1, 4), 2, np.float32))
    assert Rows(tmp_path, 4).ids().tolist() == [5, 9, 10]
    assert again.read(np.array([2])).tolist() == [[2.0] * 4]
    with pytest.raises(DataError, match="not larger than 10"):
        again.append(np.array([10]), np.ones((1, 4), np.float32))


def test_a_compressed_copy_that_is_gone_or_damaged_is_made_again(tmp_path):
    pytest.importorskip("turbovec")
    from tbpsbench.retrieval.turbovec import FILE, TurbovecIndex

    row_ND, query_QD = unit(600, 20), unit(3, 20, seed=1)
    index = TurbovecIndex(tmp_path, 20, candidates=60)
    index.add(np.arange(600), row_ND)
    index.flush()
    expected = index.search(query_QD, 5)[1].tolist()
    for damage in (lambda path: path.write_bytes(path.read_bytes()[:100]), lambda path: path.unlink()):
        damage(tmp_path / FILE)
        assert TurbovecIndex(tmp_path, 20, candidates=60).search(query_QD, 5)[1].tolist() == expected


def test_a_file_of_faiss_that_is_damaged_in_its_middle_is_made_again(tmp_path):
    pytest.importorskip("faiss")
    from tbpsbench.retrieval.faiss_rabitq import FaissRaBitQ

    index = FaissRaBitQ(tmp_path, 64)
    index.add(np.arange(12000), unit(12000, 64))
    index.close()
    (file,) = (path for path in tmp_path.iterdir() if path.suffix not in (".f32", ".i64"))
    whole = file.read_bytes()
    assert FaissRaBitQ(tmp_path, 64)._loaded() is not None
    half = len(whole) // 2
    file.write_bytes(whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :])
    again = FaissRaBitQ(tmp_path, 64)
    assert again._loaded() is None
    assert again.taken_in() == 12000
    file.write_bytes(whole[:-13])
    assert FaissRaBitQ(tmp_path, 64)._loaded() is not None, "a file of an older version"
