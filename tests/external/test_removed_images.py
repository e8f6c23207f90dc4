"""Answer files under protocols that remove images: lists may leave them out, and what they tell is counted without."""

from dataclasses import replace

import pytest

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.config.flat import fingerprint
from tbpsbench.files import write_json
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.reading import read_json
from tbpsbench.records.identity import system_sha256

from ..leaderboard.factory import imagine

LONELY = 2  # persons whom one camera alone has seen


@pytest.fixture
def imagined(tmp_path):
    """Nine persons to test with three images each, every image by a camera of its own but for the LONELY first ones."""
    made = imagine(tmp_path / "data", identities=9)
    annotations = read_annotations(made.human)
    first = min(record.pid for record in annotations.split("test"))
    cameras = [
        replace(record, camera=0 if record.pid < first + LONELY else record.image_id % 3)
        for record in annotations.records
    ]
    write_annotations(made.human, "MiniPEDES", "human", cameras, made_from=annotations.header["made_from"])
    return made


@pytest.fixture
def lists(imagined):
    """(caption_id, its image, all others of the test split that are not of its person and camera), query by query."""
    records = read_annotations(imagined.human).split("test")
    return [
        (caption.caption_id, own, [r for r in records if (r.pid, r.camera) != (own.pid, own.camera)])
        for own in records
        for caption in own.captions
    ]


@pytest.fixture
def scored(tool, imagined, tmp_path):
    """Score lists of images by their caption_id: the record's folder."""

    def run(protocol, answers):
        path, out = tmp_path / "a.txt", tmp_path / "record"
        path.write_text("".join(f"{n}\t{' '.join(record.file for record in best)}\n" for n, best in answers))
        named = ["--name", "X", "--out", out, "--cfg-options", f"evaluation.protocols=({protocol!r},)"]
        code, _, error = tool("score", "--dataset", "MiniPEDES", "--root", imagined.root, path, *named)
        assert code == 0, error
        return out

    return run


@pytest.fixture
def rescored(tool, imagined, tmp_path):
    """Verify a record with its file: the exit code, and what was said."""

    def run(folder):
        named = ["--checkpoint", tmp_path / "a.txt", "--rescore", "--data", imagined.root, "-v"]
        code, out, error = tool("leaderboard", "verify", folder, *named)
        return code, out + error

    return run


def edit(folder, change):
    record = read_json(folder / "record.json")
    change(record)
    record["config_sha256"], record["system_sha256"] = fingerprint(record["config"]), system_sha256(record["config"])
    write_json(folder / "record.json", record)
    return [(problem.what, problem.message) for problem in verify(folder, data=None).problems]


def test_lists_of_all_that_is_left_verify_and_can_be_submitted(scored, rescored, lists, tool, tmp_path):
    records = {own.image_id: own for _, own, _ in lists}.values()
    folder = scored("without-captioned-image", [(n, [r for r in records if r is not own]) for n, own, _ in lists])
    record = read_json(folder / "record.json")
    result = record["results"]["without-captioned-image"]
    assert {*result["scores"]} == {"R@1", "R@5", "R@10", "mAP", "mINP"}
    assert (record["protocol"]["listed"], result["gallery"]) == (26, 27)
    code, said = rescored(folder)
    assert (code, "every one is the same" in said) == (0, True), said
    code, _, error = tool("leaderboard", "submit", folder, "--records", tmp_path / "records")
    assert code == 0, error


def test_queries_that_are_skipped_need_no_list(scored, rescored, lists):
    """Galleries of several sizes, and whom one camera alone has seen is not scored."""
    matched = {own.pid for _, own, seen in lists if own.pid in {r.pid for r in seen}}
    folder = scored("camera-filtered", [(n, seen if own.pid in matched else seen[:1]) for n, own, seen in lists])
    record = read_json(folder / "record.json")
    assert record["results"]["camera-filtered"]["skipped_queries"] == 2 * 3 * LONELY
    assert "mAP" in record["results"]["camera-filtered"]["scores"]
    code, said = rescored(folder)
    assert code == 0, said


def test_removed_images_in_a_list_tell_nothing(scored, rescored, lists):
    folder = scored("without-captioned-image", [(n, [own, *seen[:5]]) for n, own, seen in lists])
    assert read_json(folder / "record.json")["protocol"]["listed"] == 5
    assert rescored(folder)[0] == 0
    # Earlier records have the length of the shortest list, whether its images count or not.
    assert edit(folder, lambda record: record["protocol"].update(listed=6)) == []
    assert rescored(folder)[0] == 0
    assert edit(folder, lambda record: record["protocol"].update(listed=7)) == []
    code, said = rescored(folder)
    assert (code, "protocol.listed" in said) == (1, True)


def test_metrics_that_lists_do_not_tell_are_named(scored, lists):
    folder = scored("without-captioned-image", [(n, seen[:5]) for n, _, seen in lists])
    asked = [{"type": "RecallAtK", "ks": [1, 5, 10]}, {"type": "MeanAP"}]
    said = edit(folder, lambda record: record["config"]["evaluation"].update(metrics=asked))
    assert [message for what, message in said if what == "config.evaluation.metrics"] == [
        "lists of 5 images do not tell R@10",
        "lists of 5 images do not tell MeanAP",
    ]


def test_a_length_that_the_file_does_not_have_is_found_out(scored, rescored, lists):
    """Lists that name the captioned image and miss another are as long as whole ones, and tell one place less."""
    records = [*{own.image_id: own for _, own, _ in lists}.values()]
    folder = scored("without-captioned-image", [(n, records[:26]) for n, own, _ in lists])
    assert read_json(folder / "record.json")["protocol"]["listed"] == 25
    whole = {"metrics": [{"type": "RecallAtK"}, {"type": "MeanAP"}]}
    edit(folder, lambda r: (r["protocol"].update(listed=26), r["config"]["evaluation"].update(whole)))
    code, said = rescored(folder)
    assert (code, "config.evaluation.metrics" in said) == (1, True), said
