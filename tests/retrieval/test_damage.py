"""Files of an index that something else has changed are noticed and named, and never taken for an empty index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tbpsbench import registry
from tbpsbench.errors import DataError
from tbpsbench.retrieval import exact, half
from tbpsbench.retrieval.base import Index
from tbpsbench.retrieval.description import describe
from tbpsbench.retrieval.exact import ExactIndex
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.retrieval.journal import BLOCK, Journal

Tool = Callable[..., tuple[int, str, str]]


@pytest.fixture
def index(tool: Tool, checkpoints: dict[str, Path], photos: Path, tmp_path: Path) -> Path:
    """An index of the ten pictures, one commit."""
    folder = tmp_path / "index"
    assert tool("index", checkpoints["vectors"], photos, "--out", folder, "--workers", 1)[0] == 0
    return folder


def flip(path: Path, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def refused(tool: Tool, index: Path, photos: Path, message: str) -> None:
    """Neither search nor a run that would embed everything again goes on."""
    for arguments in (("search", index, "a man"), ("index", None, photos, "--out", index)):
        name, *rest = arguments
        code, _, err = tool(name, *(describe(index)["system"]["checkpoint"] if a is None else a for a in rest))
        assert code == 2
        assert message in err
    with pytest.raises(DataError, match=message):
        Gallery.open(index)


@pytest.mark.parametrize("marked", [True, False], ids=["", "made by an older version"])
@pytest.mark.parametrize("place", [0, 9, 30, -2, -1], ids=["crc", "brace", "file", "end", "newline"])
def test_a_bit_in_the_only_line_is_noticed(tool: Tool, index: Path, photos: Path, place: int, marked: bool) -> None:
    if not marked:
        (index / "journal.end").unlink()
    flip(index / "journal", place, 0)
    refused(tool, index, photos, "the line at byte 0 is damaged")


@pytest.mark.parametrize("damage", ["emptied", "missing", "missing with its end", "cut"])
def test_a_journal_that_is_gone_is_no_empty_index(tool: Tool, index: Path, photos: Path, damage: str) -> None:
    journal = index / "journal"
    assert tool("index", "--out", index, "--remove", "0.png")[0] == 0
    if damage == "emptied":
        journal.write_bytes(b"")
    elif damage == "cut":  # at the end of a line: the removal is lost
        journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    else:
        journal.unlink()
    if damage == "missing with its end":
        (index / "journal.end").unlink()
    refused(tool, index, photos, "lacks the journal" if damage == "missing with its end" else "bytes were committed")


def test_a_removal_that_is_damaged_is_not_dropped(tool: Tool, index: Path, photos: Path) -> None:
    first = (index / "journal").stat().st_size
    assert tool("index", "--out", index, "--remove", "0.png")[0] == 0
    flip(index / "journal", first + 20, 2)
    refused(tool, index, photos, f"the line at byte {first} is damaged")


def test_vectors_without_a_commit_are_no_damage(index: Path) -> None:
    """What a writer leaves that is killed in its first batch; and one of an older version, which made no mark."""
    Gallery.open(index, writable=True).close()
    with Gallery.open(index, writable=True) as gallery:
        gallery.index.add(np.array([10]), np.full((1, gallery.index.dim), 0.25, np.float32))
    with Gallery.open(index) as gallery:
        assert len(gallery) == 10
    (index / "journal.end").unlink()
    with Gallery.open(index) as gallery:
        assert len(gallery) == 10


def test_a_first_batch_that_was_not_committed_is_begun_anew(index: Path) -> None:
    (index / "journal").unlink()
    (index / "journal.end").unlink()
    fresh = Journal(index / "journal")
    fresh.begin()
    for writable in (False, True):
        with Gallery.open(index, writable=writable) as gallery:
            assert len(gallery) == 0


def entries(path: Path) -> list[dict[str, Any]]:
    return Journal(path).read()


@pytest.mark.parametrize("begun", [True, False])
def test_what_a_kill_leaves_of_a_line_is_cut_off(tmp_path: Path, begun: bool) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    if begun:
        journal.begin()
    journal.commit({"first": 1})
    mark = path.with_name("journal.end")
    before, told = path.read_bytes(), mark.read_bytes() if begun else b""
    journal.commit({"second": "x" * 3 * BLOCK})
    whole = path.read_bytes()
    holes = [
        whole[:BLOCK].ljust(2 * BLOCK, b"\0") + whole[2 * BLOCK :],
        before + bytes(BLOCK - len(before)) + whole[BLOCK:],
    ]
    for torn in (*(whole[:end] for end in (len(before) + 1, len(before) + 9, 2 * BLOCK, len(whole) - 1)), *holes):
        path.write_bytes(torn)
        if begun:  # the mark is written after the line
            mark.write_bytes(told)
        again = Journal(path)
        assert again.read() == [{"first": 1}]
        again.commit({"third": 3})
        assert entries(path) == [{"first": 1}, {"third": 3}]


def test_a_mark_that_is_behind_or_damaged_does_no_harm(tmp_path: Path) -> None:
    path, mark = tmp_path / "journal", tmp_path / "journal.end"
    journal = Journal(path)
    journal.begin()
    older = mark.read_bytes()
    journal.commit({"first": 1})
    for content in (older, b"", b"nothing of ours", mark.read_bytes()[:-9]):
        mark.write_bytes(content)
        assert entries(path) == [{"first": 1}]
    # Whoever writes next brings it up.
    journal = Journal(path)
    journal.read()
    journal.begin()
    path.write_bytes(b"")
    with pytest.raises(DataError, match="ends at byte 0, but 21 bytes were committed"):
        entries(path)


def test_a_commit_holds_where_the_mark_cannot_be_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    (tmp_path / "journal.end").mkdir()
    journal.commit({"first": 1})
    assert entries(tmp_path / "journal") == [{"first": 1}]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("many_rows", [10, 1000], ids=["half the bytes first", "a scan"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_that_is_not_finite_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, many_rows: int, value: float
) -> None:
    monkeypatch.setattr(exact, "MANY_ROWS", many_rows)
    monkeypatch.setattr(half, "FIRST", 16)
    row_ND = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    row_ND /= np.linalg.norm(row_ND, axis=1, keepdims=True)
    made = ExactIndex(tmp_path, 8, dtype=dtype)
    made.add(100 + np.arange(50), row_ND)
    stored = np.memmap(made.rows._vectors, made.rows.dtype, "r+", shape=(50, 8))
    stored[23, 3] = value
    stored.flush()
    for path in tmp_path.glob("*.scan.*"):
        path.unlink()  # made again from the rows
    query_QD = row_ND[[3, 4]]
    opened = ExactIndex(tmp_path, 8, dtype=dtype)
    for ask in (
        lambda: opened.search(query_QD[:1], 1),
        lambda: opened.search(query_QD, 5),
        lambda: opened.similarities(query_QD[:1]),
        lambda: opened.similarities(query_QD),
    ):
        with pytest.raises(DataError, match="the similarity with item 123 is no finite number: the index is damaged"):
            ask()
    opened.remove(np.array([123]))
    assert opened.search(query_QD[:1], 1)[1].tolist() == [[103]]
    assert opened.search(query_QD, 2)[1][:, 0].tolist() == [103, 104]
    assert opened.similarities(query_QD).shape == (2, 49)


def test_a_candidate_that_is_not_finite_is_named(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    made: Index = registry.INDEXES.build(
        {"type": "faiss-rabitq", "candidates": 100}, "index", {"folder": tmp_path, "dim": 16, "writable": True}
    )
    row_ND = np.random.default_rng(0).standard_normal((1500, 16)).astype(np.float32)
    made.add(np.arange(1500), row_ND)
    stored = np.memmap(tmp_path / "vectors.f32", "<f4", "r+", shape=(1500, 16))
    stored[77, 5] = np.nan
    stored.flush()
    with pytest.raises(DataError, match="the similarity with item 77 is no finite number"):
        made.search(row_ND[77:78], 3)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("pictures", 5), ("pictures", ""), ("pictures", None), ("dim", 128.5), ("dim", True), ("dim", "16"), ("dim", 0),
        ("system.name", 7), ("system.fingerprint", ["a"]), ("system.fingerprint", ""), ("system.checkpoint", 3),
        ("system", "a"), ("index", []), ("index.type", 4), ("version", 2), ("version", True),
    ],
)  # fmt: skip
def test_a_description_with_an_odd_value_is_refused(tmp_path: Path, place: str, value: Any) -> None:
    told: dict[str, Any] = {
        "version": 1, "dim": 16, "pictures": "/pictures", "index": {"type": "exact"},
        "system": {"name": "a", "fingerprint": "b", "checkpoint": ""},
    }  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps(told))
    assert describe(tmp_path) == told
    part, _, key = place.rpartition(".")
    (told[part] if part else told)[key] = value
    (tmp_path / "index.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=rf"index\.json: not the description of an index .*\({place}.* is "):
        describe(tmp_path)


def test_a_description_of_another_width_is_refused(index: Path) -> None:
    told = json.loads((index / "index.json").read_text())
    (index / "index.json").write_text(json.dumps({**told, "dim": 8}))
    with pytest.raises(DataError, match="dim is 8, but vectors of 'two-tower_mini-pedes' have 16 numbers"):
        Gallery.open(index)
