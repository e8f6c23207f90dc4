"""What tools/score.py refuses: each with a documented error that names file, key or value, and nothing written."""

import io
import re
import zipfile

import numpy as np
import pytest
from cases import within_limits

from tbpsbench.annotations import read_annotations

from ..leaderboard.factory import imagine
from .test_score import answers, save, vectors


@pytest.fixture
def imagined(tmp_path):
    return imagine(tmp_path / "data", identities=9)


@pytest.fixture
def asked(imagined):
    records = read_annotations(imagined.human).split("test")
    return [(c.caption_id, r) for r in records for c in r.captions], records


@pytest.fixture
def refused(tool, imagined, tmp_path):
    def run(file, *arguments):
        common = ["--dataset", "MiniPEDES", "--root", imagined.root, file, "--name", "X", "--out", tmp_path / "out"]
        with within_limits():
            code, _, error = tool("score", *common, *arguments)
        assert code == 2
        assert error.startswith("error: ")
        assert not (tmp_path / "out").exists()
        return error

    return run


def arrays_of(asked):
    captions, images = asked
    text, image = vectors(asked)
    numbers = np.array([number for number, _ in captions])
    return {"text": text, "image": image, "caption_ids": numbers, "image_ids": np.array([r.file for r in images])}


def changed(name, change):
    def make(arrays):
        arrays[name] = change(arrays[name])
        return arrays

    return make


def put(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


BAD_ARRAYS = {
    "missing-caption": (
        lambda a: {**a, "text": a["text"][1:], "caption_ids": a["caption_ids"][1:]},
        r"1 have no row: \d+\. Give each",
    ),
    "twice": (changed("caption_ids", lambda ids: put(ids, 1, ids[0])), "1 have more than one row"),
    "unknown-caption": (changed("caption_ids", lambda ids: put(ids, 1, 10**9)), "1 are none of them: 1000000000"),
    "unknown-image": (changed("image_ids", lambda ids: put(ids, 1, "?")), r"1 are none of them: \?"),
    "nan": (changed("text", lambda v: put(v, (3, 0), np.nan)), r"1 features of captions are NaN or infinite: \d+"),
    "infinite": (changed("image", lambda v: put(v, (3, 0), np.inf)), r"features of images are NaN or infinite: \d+ \("),
    "widths": (changed("text", lambda v: v[:, :-1]), "must be vectors of one space"),
    "rows": (changed("text", lambda v: v[:-1]), r"text has the shape \(53, 8\), expected \(54 texts, width\)"),
    "no-width": (lambda a: {**a, "text": a["text"][:, :0], "image": a["image"][:, :0]}, "0 values a row"),
    "whole-numbers": (changed("text", lambda v: v.astype(int)), "text holds int64. Save float16"),
    "float-ids": (changed("caption_ids", lambda v: v.astype(float)), "caption_ids holds float64"),
    "text-ids": (changed("caption_ids", lambda v: v.astype(str)), "caption_ids holds <U"),
    "flat": (changed("text", lambda v: v.ravel()), r"text has the shape \(432,\)"),
    "objects": (changed("image_ids", lambda v: v.astype(object)), "holds Python objects"),
    "unknown-array": (lambda a: {**a, "captoin_ids": a.pop("caption_ids")}, "Did you mean 'caption_ids'"),
    "both-names": (lambda a: {**a, "query": a["text"]}, "text and query mean the same"),
    "both-kinds": (lambda a: {**a, "similarity": np.zeros((54, 27))}, "similarities and features"),
    "no-ids": (lambda a: {"text": a["text"], "image": a["image"]}, "no caption_ids and no image_ids"),
    "no-image": (lambda a: {k: v for k, v in a.items() if k != "image"}, "holds no image"),
    "nan-similarity": (
        lambda a: {"similarity": np.full((54, 27), np.nan), **{k: a[k] for k in ("caption_ids", "image_ids")}},
        "54 similarities of captions are NaN",
    ),
    "turned": (
        lambda a: {"similarity": np.zeros((27, 54)), **{k: a[k] for k in ("caption_ids", "image_ids")}},
        r"expected \(54 captions, 27 images\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_that_do_not_fit(name, refused, asked, tmp_path):
    change, message = BAD_ARRAYS[name]
    np.savez(tmp_path / "f.npz", **change(arrays_of(asked)))
    error = refused(tmp_path / "f.npz")
    assert "f.npz" in error
    assert re.search(message, error), error


def bomb(stream):
    """An npz whose array promises far more than it holds."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (54, 1 << 40)})
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("text", "image", "caption_ids", "image_ids"):
            archive.writestr(f"{name}.npy", header.getvalue())


def test_files_that_are_damaged_or_something_else(refused, asked, tmp_path):
    good = save(tmp_path / "f.npz", asked).read_bytes()
    for name, content, message in (
        ("cut.npz", good[: len(good) // 2], "not a whole npz file"),
        ("empty.npz", b"", "not a whole npz file"),
        ("words.npz", b"no arrays", "not a whole npz file"),
        ("empty.txt", b"", "54 have no row"),
        ("binary.txt", b"\xff\xfe\x00", "not a text file in UTF-8"),
        ("list.json", b'{"1": ["a.png"]}', "a line is the caption_id, a tab"),
        ("one.npy", b"\x93NUMPY", "one array alone"),
    ):
        (tmp_path / name).write_bytes(content)
        error = refused(tmp_path / name)
        assert message in error, error
        assert name in error
    with (tmp_path / "bomb.npz").open("wb") as stream:
        bomb(stream)
    assert "is not as long as its header says" in refused(tmp_path / "bomb.npz")
    assert "no such file" in refused(tmp_path / "gone.npz")
    assert "no such file" in refused(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x\ta.png", ":1: a line is the caption_id, a tab"),
        ("{first}", ":1: a line is the caption_id, a tab"),
        ("{first}\tnobody.png", "nobody.png is no image of the gallery"),
        ("{first}\t", "names no image"),
        ("{first}\t{image} {image}", "is named twice"),
        ("{first}\t0.png", "0.png is no image of the gallery"),
        ("99999999999999999999999\ta.png", ":1: a line is the caption_id, a tab"),
    ],
)
def test_lines_that_are_no_answers(line, message, refused, asked, tmp_path):
    path = answers(tmp_path / "a.txt", asked, 5, order=range(len(asked[0])))
    lines = path.read_text().splitlines()
    lines[0] = line.format(first=asked[0][0][0], image=asked[1][0].file)
    path.write_text("\n".join(lines) + "\n")
    assert message in refused(path)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"caption_id": 1}',
        '{"caption_id": true, "images": []}',
        '{"caption_id": 1, "images": [1.5]}',
        '{"caption_id": 1, "images": "a.png"}',
    ],
)
def test_json_lines_that_are_no_answers(line, refused, tmp_path):
    (tmp_path / "a.jsonl").write_text(line + "\n")
    assert "a.jsonl:1: a line is {" in refused(tmp_path / "a.jsonl")


def test_a_command_line_that_cannot_be_meant(tool, refused, imagined, asked, tmp_path):
    path = save(tmp_path / "f.npz", asked)
    assert "no images in the split 'tset'" in refused(path, "--split", "tset")
    assert "numbers from elsewhere are ranked as they are" in refused(
        path, "--cfg-options", "evaluation.rerank=[dict(type='KReciprocal')]"
    )
    assert "nobody can talk about numbers from elsewhere" in refused(
        path, "--cfg-options", "evaluation.interactor=dict(type='MTI', mllm=dict(type='Simulated'))"
    )
    assert "name their file with --distractors" in refused(
        path, "--cfg-options", "evaluation.protocols=('standard', 'distractors')"
    )
    assert "no argument 'tise'" in refused(path, "--cfg-options", "evaluation.tise='stable'")
    assert "--seed is -1" in refused(path, "--seed", "-1")
    assert "--trained-on" in refused(path, "--trained-on", "a\nb")
    for arguments, message in (
        ([path, "--name", "X"], "give a config or --dataset TYPE"),
        (["x.py", path, "--name", "X"], "no such config"),
        (["--dataset", "MiniPEDS", path, "--name", "X"], "Did you mean 'MiniPEDES'"),
        (["configs/leaderboards/mini.py", path, "--name", "X"], "this is a suite"),
        (["--dataset", "MiniPEDES", "--root", imagined.root, path, "--name", " "], "--name"),
    ):
        code, _, error = tool("score", *arguments)
        assert code == 2
        assert message in error


def test_a_refused_file_leaves_an_earlier_record_alone(tool, imagined, asked, tmp_path):
    common = ["score", "--dataset", "MiniPEDES", "--root", imagined.root, "--name", "X", "--out", tmp_path / "out"]
    assert tool(*common, save(tmp_path / "f.npz", asked))[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "f.npz").write_bytes(b"")
    assert tool(*common, tmp_path / "f.npz")[0] == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
