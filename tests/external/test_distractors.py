"""Features of pictures that match nobody: read part by part, counted exactly."""

import tracemalloc

import numpy as np
import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.external import features
from tbpsbench.external.features import DistractorFile, Features
from tbpsbench.external.read import read_given
from tbpsbench.external.score import score
from tbpsbench.reading import read_json

from ..leaderboard.factory import imagine
from .test_score import WIDTH, answers, cosines, save, task_of, vectors


@pytest.fixture
def imagined(tmp_path):
    return imagine(tmp_path / "data", identities=9)


@pytest.fixture
def asked(imagined):
    records = read_annotations(imagined.human).split("test")
    return [(c.caption_id, r) for r in records for c in r.captions], records


def others(count=500, dtype=np.float32):
    return (2.5 * np.random.default_rng(7).standard_normal((count, WIDTH))).astype(dtype)


@pytest.mark.parametrize("part", [WIDTH * 8 * 7, 64 << 20])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_they_push_back_as_many_places_as_a_naive_count_says(part, dtype, imagined, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "PART_BYTES", part)
    np.save(tmp_path / "d.npy", others(dtype=dtype))
    task = task_of(imagined, str(tmp_path / "d.npy"))
    evaluation, _ = score(read_given(save(tmp_path / "f.npz", asked), task), task)
    plain, among = evaluation.results["standard"], evaluation.results["distractors"]
    assert among.gallery == plain.gallery + 500
    captions, images = asked
    text, image = vectors(asked)
    match = np.array([[r.pid == image_.pid for image_ in images] for _, r in captions])
    best = np.where(match, cosines(text, image), -9).max(axis=1)
    expected = (cosines(text, others(dtype=dtype)) >= best[:, None]).sum(axis=1)
    first = plain.ranks.offsets[:-1]
    assert (among.ranks.ranks[first] - plain.ranks.ranks[first] == expected).all()
    assert expected.max() > 0
    assert evaluation.distractors["images"] == 500


def test_no_more_than_a_part_is_in_memory(tmp_path):
    width = 512
    stored = np.lib.format.open_memmap(tmp_path / "d.npy", "w+", np.float32, (200_000, width))  # 400 MB, sparse
    stored[-1] = 1
    del stored
    one = np.ones((1, width), np.float32)
    tracemalloc.start()
    rows = sum(len(part) for part in DistractorFile(tmp_path / "d.npy", Features(one, one)).parts())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 200_000
    assert peak < 150e6


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (others()[:, :-1], r"an array of \(500, 7\), expected \(distractors, 8\)"),
        (others().ravel(), "expected"),
        (others()[:0], "expected"),
        (np.asfortranarray(others()), "stored column by column"),
        (others().astype(int), "holds int64"),
        (others().astype(object), "holds Python objects"),
        (np.vstack([others(), np.full((1, WIDTH), np.nan)]), "row 500 holds NaN"),
    ],
)
def test_arrays_that_do_not_fit(array, message, imagined, asked, tmp_path):
    np.save(tmp_path / "d.npy", array, allow_pickle=True)
    task = task_of(imagined, str(tmp_path / "d.npy"))
    given = read_given(save(tmp_path / "f.npz", asked), task)
    with pytest.raises(DataError, match=message) as error:
        score(given, task)
    assert "d.npy" in str(error.value)


def test_files_that_are_damaged(imagined, asked, tmp_path):
    np.save(tmp_path / "d.npy", others())
    whole = (tmp_path / "d.npy").read_bytes()
    task = task_of(imagined, str(tmp_path / "d.npy"))
    given = read_given(save(tmp_path / "f.npz", asked), task)
    for content in (whole[:-1], whole[:20], b"", b"no array", whole + b"x"):
        (tmp_path / "d.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"d\.npy"):
            score(given, task)
    (tmp_path / "d.npy").unlink()
    with pytest.raises(DataError, match="no such file"):
        score(given, task)


def test_only_features_can_be_compared_with_them(imagined, asked, tmp_path):
    np.save(tmp_path / "d.npy", others())
    task = task_of(imagined, str(tmp_path / "d.npy"))
    for given in (save(tmp_path / "f.npz", asked, similarity=True), answers(tmp_path / "a.txt", asked, 5)):
        with pytest.raises(ConfigError, match="goes with features alone"):
            score(read_given(given, task), task)


def test_a_record_with_them_verifies_and_is_scored_again(tool, imagined, asked, tmp_path):
    np.save(tmp_path / "d.npy", others())
    file, out = save(tmp_path / "f.npz", asked), tmp_path / "out"
    named = ["--dataset", "MiniPEDES", "--root", imagined.root, "--name", "X", "--out", out]
    assert tool("score", *named, file, "--distractors", tmp_path / "d.npy")[0] == 0
    assert read_json(out / "record.json")["protocol"]["distractors"]["images"] == 500
    again = ["leaderboard", "verify", out, "--checkpoint", file, "--rescore", "--data", imagined.root, "-v"]
    code, report, _ = tool(*again)
    assert report.count("every one is the same") == 2, report
    assert code == 0
    np.save(tmp_path / "d.npy", 2 * others())
    assert "protocol.distractors" in tool(*again)[1]
    (tmp_path / "d.npy").unlink()
    code, _, error = tool(*again)
    assert code == 2
    assert "Put the features of the distractors beside" in error
