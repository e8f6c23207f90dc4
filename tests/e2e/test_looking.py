"""Pictures and breakdowns as a user makes them."""

import json
import shutil

import pytest
from PIL import Image

from tbpsbench.reading import read_json


def test_pictures_are_drawn(run, tool, demo, tmp_path):
    for kind, first, more in (
        ("samples", [demo[0]], demo[1:]),
        ("retrieval", [run / "best.pth"], []),
        ("curves", [run], []),
        ("samples", [demo[0], "--split", "val"], demo[1:]),
        ("retrieval", [run, "--show", "worst", "--rows", "2"], []),
    ):
        picture = tmp_path / f"{kind}.png"
        code, out, err = tool("visualize", kind, *first, "--out", picture, *more)
        assert code == 0, err
        assert str(picture) in out
        with Image.open(picture) as image:
            assert min(image.size) > 300
            assert len(image.convert("RGB").getcolors(2**20) or range(2**20)) > 50


def test_curves_of_a_run_that_is_going_on_are_drawn(run, tool, tmp_path):
    shutil.copytree(run / "logs", tmp_path / "run/logs")
    (log,) = (tmp_path / "run").glob("logs/*/vis_data/scalars.json")
    (tmp_path / "run/run.json").write_text('{"status": "running", "history": [], "best": null}')
    whole = log.read_bytes()
    for cut in (len(whole) - 5, whole.index(b"\n") + 9):
        log.write_bytes(whole[:cut])
        code, out, err = tool("visualize", "curves", tmp_path / "run", "--out", tmp_path / "curves.png")
        assert (code, err) == (0, "")
        assert "curves.png" in out
    log.write_bytes(whole[:9])
    code, _, err = tool("visualize", "curves", tmp_path / "run", "--out", tmp_path / "none.png")
    assert code == 2
    assert "nothing is logged yet" in err


def test_a_picture_of_nothing_is_refused(run, tool, tmp_path):
    for arguments, message in (
        (["--rows", "0"], "not a whole number from 1 to 100"),
        (["--rows", "-3"], "not a whole number"),
        (["--queries", "9999999"], "the nearest is"),
        (["--identities", "9999999"], "the nearest is"),
        (["--queries", *map(str, range(101))], "101 queries for one sheet, expected at most 100"),
        (["--split", "tset"], "there are: train, val, test"),
        (["--queries", "1", "--identities", "1"], "not allowed with"),
        (["--out", tmp_path / "sheet.jpg"], "must end in .png"),
    ):
        code, _, err = tool("visualize", "retrieval", run, "--out", tmp_path / "sheet.png", *arguments)
        assert code == 2, arguments
        assert message in err
        assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", ["standard", "clothes-change"])
def test_a_breakdown_has_the_records_numbers_and_every_attribute(run, tool, tmp_path, protocol):
    expected = read_json(run / "record" / "record.json")["results"][protocol]
    found = []
    for source in (run / "record", run):
        out = tmp_path / "breakdown.json"
        code, text, err = tool("breakdown", source, "--out", out, "--protocol", protocol)
        assert (code, err) == (0, "")
        assert f"{expected['scores']['R@1']:.2f}" in text
        found.append(json.loads(out.read_text()))
    from_record, from_checkpoint = found
    for key in ("scores", "intervals_95", "queries", "identities"):
        assert from_record["all"][key] == from_checkpoint["all"][key] == expected[key]
    assert from_record["by"] == from_checkpoint["by"]
    assert {"length", "style", "camera", "sex", "age", "upper_colour"} <= set(from_record["by"])


def test_a_breakdown_says_what_it_cannot_do(run, tool, tmp_path):
    code, out, err = tool("breakdown", run / "record", "--by", "sex", "--json")
    assert (code, err) == (0, "")
    assert list(json.loads(out)["by"]) == ["sex"]
    for arguments, message in (
        ([run / "record", "--cfg-options", "evaluation.ties=stable"], "a record has its own config"),
        ([run, "--data", tmp_path], "--data is for a record"),
        ([run, "--by", "sx"], "Did you mean 'sex'?"),
        ([run, "--length-bins", "5", "3"], "must rise"),
        ([run, "--out", tmp_path / "breakdown.xls"], ".csv or .json"),
        ([tmp_path / "none.pth"], "none.pth"),
    ):
        code, _, err = tool("breakdown", *arguments)
        assert code == 2, arguments
        assert message in err
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_the_paper_are_drawn_or_refused(run, tool, tmp_path):
    trained = [run / "best.pth"]
    code, _, err = tool("visualize", "gates", *trained, "--out", tmp_path / "gates.png")
    assert code == 2
    assert "model.disentangler is None" in err
    code, _, err = tool("visualize", "tsne", *trained, "--out", tmp_path / "tsne.png", "--colour", "shirt")
    assert code == 2
    assert "upper_colour" in err
    assert list(tmp_path.iterdir()) == []
    for kind, given in (("tsne", [*trained, "--persons", "3"]), ("radar", [run / "record"])):
        code, _, err = tool("visualize", kind, *given, "--out", tmp_path / f"{kind}.png")
        assert code == 0, err
        with Image.open(tmp_path / f"{kind}.png") as image:
            assert min(image.size) > 300
