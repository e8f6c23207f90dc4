"""Numbers from elsewhere: the scores of a naive loop, the record of tools/test.py, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.config.load import Config
from tbpsbench.errors import ConfigError
from tbpsbench.external.read import read_given
from tbpsbench.external.score import score
from tbpsbench.external.task import open_task
from tbpsbench.reading import read_json

from ..leaderboard.factory import imagine

WIDTH = 8


@pytest.fixture
def imagined(tmp_path):
    return imagine(tmp_path / "data", identities=9)


@pytest.fixture
def asked(imagined):
    """Captions and images of the test split."""
    records = read_annotations(imagined.human).split("test")
    return [(c.caption_id, r) for r in records for c in r.captions], records


def task_of(imagined, distractors=None, **section):
    component = {"type": "MiniPEDES", "root": str(imagined.root)}
    return open_task(Config(Path("x"), {"data": {"dataset": component}, "evaluation": section}), "test", distractors)


def vectors(asked, seed=0, dtype=np.float32):
    captions, images = asked
    rng = np.random.default_rng(seed)
    people = rng.standard_normal((100, WIDTH))
    text = np.stack([people[record.pid] for _, record in captions]) + 2 * rng.standard_normal((len(captions), WIDTH))
    image = np.stack([people[record.pid] for record in images]) + 2 * rng.standard_normal((len(images), WIDTH))
    return text.astype(dtype), image.astype(dtype)


def save(path, asked, *, text="text", image="image", caption_ids="caption_ids", image_ids="image_ids", files=False,
         shuffled=True, dtype=np.float32, similarity=False, seed=0):  # fmt: skip
    captions, images = asked
    text_QD, image_GD = vectors(asked, seed, dtype)
    rng = np.random.default_rng(1)
    p = rng.permutation(len(captions)) if shuffled else np.arange(len(captions))
    q = rng.permutation(len(images)) if shuffled else np.arange(len(images))
    arrays = {text: text_QD[p], image: image_GD[q]}
    if similarity:
        arrays = {"similarity": cosines(text_QD, image_GD)[np.ix_(p, q)]}
    arrays[caption_ids] = np.array([number for number, _ in captions])[p]
    arrays[image_ids] = np.array([r.file if files else r.image_id for r in images])[q]
    np.savez(path, **arrays)
    return path


def cosines(text_QD, image_GD):
    def unit(values):
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    return unit(text_QD.astype(np.float64)) @ unit(image_GD.astype(np.float64)).T


def naive(scores_QG, query_pids, gallery_pids):
    """R@1, R@5, R@10, mAP and mINP by sorting each row."""
    rows = []
    for scores, pid in zip(scores_QG, query_pids, strict=True):
        right = np.asarray(gallery_pids)[np.argsort(-scores)] == pid
        places = np.flatnonzero(right) + 1
        rows.append([places[0] <= 1, places[0] <= 5, places[0] <= 10, np.mean(np.arange(1, len(places) + 1) / places),
                     len(places) / places[-1]])  # fmt: skip
    return dict(zip(("R@1", "R@5", "R@10", "mAP", "mINP"), 100 * np.mean(rows, axis=0), strict=True))


def expected(asked, dtype=np.float32, seed=0):
    captions, images = asked
    scores = cosines(*vectors(asked, seed, dtype))
    return naive(scores, [record.pid for _, record in captions], [record.pid for record in images])


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"files": True},
        {"text": "query", "image": "gallery", "caption_ids": "query_ids", "image_ids": "gallery_ids"},
        {"files": True, "image_ids": "image_files", "shuffled": False},
        {"dtype": np.float64},
        {"dtype": np.float16},
        {"dtype": np.dtype(">f4")},
        {"similarity": True},
    ],
)
def test_every_form_has_the_scores_of_a_naive_loop(form, imagined, asked, tmp_path):
    task = task_of(imagined, both_directions=True)
    evaluation, _ = score(read_given(save(tmp_path / "f.npz", asked, **form), task), task)
    wanted = expected(asked, form.get("dtype", np.float32))
    assert evaluation.results["standard"].scores == pytest.approx(wanted, abs=1e-9)
    captions, images = asked
    back = naive(
        cosines(*vectors(asked, 0, form.get("dtype", np.float32))).T,
        [r.pid for r in images],
        [r.pid for _, r in captions],
    )
    assert evaluation.results["standard (image-to-text)"].scores == pytest.approx(back, abs=1e-9)
    assert evaluation.track == ("rerank" if "similarity" in form else "dual-encoder")


def test_lengths_count_only_as_they_are(imagined, asked, tmp_path):
    text, image = vectors(asked)
    captions, images = asked
    ids = {"caption_ids": [number for number, _ in captions], "image_ids": [r.image_id for r in images]}
    np.savez(tmp_path / "f.npz", text=text, image=image * np.arange(1, len(image) + 1)[:, None], **ids)
    task = task_of(imagined)
    cosine = score(read_given(tmp_path / "f.npz", task), task)[0].results["standard"].scores
    product = score(read_given(tmp_path / "f.npz", task, normalize=False), task)[0].results["standard"].scores
    pids = [r.pid for _, r in captions], [r.pid for r in images]
    assert cosine == pytest.approx(expected(asked))
    assert product == pytest.approx(naive((text @ image.T) * np.arange(1, len(image) + 1), *pids))
    assert product != pytest.approx(cosine)


def test_vectors_of_length_one_are_taken_bit_by_bit(imagined, asked, tmp_path):
    text, image = vectors(asked)
    unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (text, image)]
    ids = {"caption_ids": [number for number, _ in asked[0]], "image_ids": [r.image_id for r in asked[1]]}
    np.savez(tmp_path / "f.npz", text=unit[0], image=unit[1], **ids)
    given = read_given(tmp_path / "f.npz", task_of(imagined))
    assert (given.text_QD == unit[0]).all()
    assert (given.image_GD == unit[1]).all()
    assert given.notes == ("every vector has the length 1 already: taken as it is",)


def test_equal_similarities_count_against_the_system(imagined, asked, tmp_path):
    captions, images = asked
    ids = {"caption_ids": [number for number, _ in captions], "image_ids": [r.image_id for r in images]}
    np.savez(tmp_path / "f.npz", text=np.ones((len(captions), 4)), image=np.ones((len(images), 4)), **ids)
    task = task_of(imagined)
    assert score(read_given(tmp_path / "f.npz", task), task)[0].results["standard"].scores["R@10"] == 0


def test_groups_of_a_protocol_leave_the_gallery(imagined, asked, tmp_path):
    task = task_of(imagined, protocols=("without-captioned-image",))
    found = score(read_given(save(tmp_path / "f.npz", asked), task), task)[0].results["without-captioned-image"]
    captions, images = asked
    scores = cosines(*vectors(asked))
    ranks = []
    for row, (_, own) in zip(scores, captions, strict=True):
        order = [images[g] for g in np.argsort(-row) if images[g] is not own]
        ranks.append(next(n for n, record in enumerate(order) if record.pid == own.pid))
    assert found.scores["R@5"] == pytest.approx(100 * np.mean(np.array(ranks) < 5))


def answers(path, asked, k, *, files=True, order=None):
    captions, images = asked
    scores = cosines(*vectors(asked))
    lines = []
    for row, (number, _) in zip(scores, captions, strict=True):
        best = [images[g].file if files else images[g].image_id for g in np.argsort(-row)[:k]]
        lines.append((number, best))
    lines = [lines[n] for n in (np.random.default_rng(0).permutation(len(lines)) if order is None else order)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"caption_id": n, "images": best}) + "\n" for n, best in lines))
    else:
        path.write_text("".join(f"{n}\t{' '.join(map(str, best))}\r\n" for n, best in lines))
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize("files", [True, False])
@pytest.mark.parametrize(
    ("k", "columns"),
    [(27, ("R@1", "R@5", "R@10", "mAP", "mINP")), (26, ("R@1", "R@5", "R@10")), (5, ("R@1", "R@5")), (4, ("R@1",))],
)
def test_answers_tell_what_they_tell_exactly_and_nothing_else(name, files, k, columns, imagined, asked, tmp_path):
    task = task_of(imagined)
    evaluation, scored = score(read_given(answers(tmp_path / name, asked, k, files=files), task), task)
    wanted = expected(asked)
    assert evaluation.results["standard"].scores == pytest.approx({column: wanted[column] for column in columns})
    assert evaluation.track == "rerank"
    assert [metric["type"] for metric in scored.section.metrics] == ["RecallAtK", "MeanAP", "MeanINP"][
        : 3 if k == 27 else 1
    ]


def test_images_that_leave_the_gallery_make_lists_shorter(imagined, asked, tmp_path):
    task = task_of(imagined, protocols=("without-captioned-image",))
    given = read_given(answers(tmp_path / "a.txt", asked, 5), task)
    evaluation, _ = score(given, task)
    assert list(evaluation.results["without-captioned-image"].scores) == ["R@1"]  # R@5 needs a sixth image
    assert given.notes[-1] == "lists of 4 images do not tell R@5, R@10, MeanAP, MeanINP: left out"


def test_what_answers_cannot_tell_is_refused(imagined, asked, tmp_path):
    given = {k: answers(tmp_path / f"{k}.txt", asked, k) for k in (1, 5)}
    for section, k, message in (
        ({"both_directions": True}, 5, "not the reverse"),
        ({"metrics": [{"type": "MeanAP"}]}, 5, "tell R@k up to 5 alone"),
        ({"metrics": [{"type": "RecallAtK", "ks": (5, 10)}]}, 1, "tell R@k up to 1 alone"),
    ):
        task = task_of(imagined, **section)
        with pytest.raises(ConfigError, match=message):
            score(read_given(given[k], task), task)


def test_the_documented_lines_export_what_tools_test_measures(tool, demo, mini, tmp_path, monkeypatch):
    """docs/scoring.md on a model of ours: the scores of tools/test.py, digit for digit; then the way to a board."""
    from tbpsbench import load_system

    config, _, *overrides = demo
    options = [*overrides, "schedule.max_epochs=1", "evaluation.protocols=('standard', 'without-captioned-image')"]
    options += ["evaluation.both_directions=True", "data.num_workers=0"]
    assert tool("train", config, "--work-dir", tmp_path / "run", "--cfg-options", *options)[0] == 0
    checkpoint = tmp_path / "run" / "best.pth"
    assert tool("test", checkpoint, "--out", tmp_path / "ours")[0] == 0
    page = Path("docs/scoring.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.S)[1]
    system = load_system(checkpoint)
    monkeypatch.chdir(tmp_path)
    names = {"root": mini / "tiny-0", "encode_captions": system.encode_text, "encode_images": system.encode_images}
    exec(compile(code, "docs/scoring.md", "exec"), names)
    monkeypatch.undo()
    monkeypatch.chdir(Path(__file__).parents[2])
    out, features = tmp_path / "theirs", tmp_path / "features.npz"
    named = ["--name", "Theirs", "--trained-on", "MiniPEDES (tiny)", "--out", out]
    scored = tool("score", config, features, *named, "--cfg-options", *options)
    assert scored[0] == 0, scored[2]
    ours, theirs = read_json(tmp_path / "ours" / "record.json"), read_json(out / "record.json")
    assert len(theirs["results"]) == 3
    for protocol, result in ours["results"].items():
        assert theirs["results"][protocol] == {**result, "heads": {}}
    assert theirs["status"] == "external"
    assert theirs["protocol"]["image_size"] is None

    code, report, _ = tool("leaderboard", "verify", out, "--data", mini, "--checkpoint", features, "--rescore", "-v")
    assert code == 0, report
    assert report.count("every one is the same") == 3
    assert "NOT CHECKED  the model, its training, and how it was chosen: made by other code" in report
    code, report, _ = tool("leaderboard", "submit", out, "--records", tmp_path / "records")
    assert code == 0, report
    code, _, report = tool("leaderboard", "submit", tmp_path / "ours", "--records", tmp_path / "records")
    assert code == 2  # one set of ranks under two names
    assert "exactly the same one" in report
    assert tool("leaderboard", "render", tmp_path / "records", "--out", tmp_path / "board")[0] == 0
    board = (tmp_path / "board" / "board.md").read_text()
    assert re.search(r"\| Theirs \|.*\| external \|", board)
    assert "external: features, similarities or answers of other code" in board
    row = next(line for line in (tmp_path / "board" / "board.csv").read_text().splitlines() if ",Theirs," in line)
    assert row.split(",")[6] == "external"
    assert "3 rows scored from the output of other code" in (tmp_path / "board" / "index.html").read_text()
    _, report, _ = tool("leaderboard", "doctor", tmp_path / "records")
    assert "external: made by other code" in report


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_lengths_whose_squares_leave_the_range_are_lengths(imagined, asked, tmp_path, factor):
    text, image = vectors(asked, dtype=np.float64)
    captions, images = asked
    ids = {"caption_ids": np.array([i for i, _ in captions]), "image_ids": np.array([r.image_id for r in images])}
    scores = []
    for name, by in (("plain", 1.0), ("far", factor)):
        np.savez(tmp_path / f"{name}.npz", text=text * by, image=image * by, **ids)
        task = task_of(imagined)
        evaluation, _ = score(read_given(tmp_path / f"{name}.npz", task), task)
        scores.append(evaluation.results["standard"].scores)
    assert scores[0] == scores[1]
    assert scores[0]["R@1"] > 5, "of a collapsed gallery it would be 0"


def test_a_record_of_something_else_is_not_overwritten(tmp_path):
    from tbpsbench.errors import DataError
    from tbpsbench.files import write_json
    from tbpsbench.records.make import require_place

    for told, message in (
        ({"name": "mine", "selection": {"rule": "val"}}, "holds a training run's record"),
        ({"name": "another", "selection": {"rule": "given"}}, "holds the record of 'another'"),
        ([], "holds something that is no record"),
        ({"name": "mine", "selection": None}, "holds something that is no record"),
    ):
        write_json(tmp_path / "record.json", told)
        with pytest.raises(DataError, match=message):
            require_place(tmp_path, "mine")
    write_json(tmp_path / "record.json", {"name": "mine", "selection": {"rule": "given"}})
    for folder in (tmp_path, tmp_path / "new", None):
        require_place(folder, "mine")
