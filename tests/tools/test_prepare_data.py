"""tools/prepare_data.py as users run it: what it prints and its exit codes."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.files import storage_error
from tbpsbench.registry import DATASETS

TOOL = Path(__file__).parents[2] / "tools" / "prepare_data.py"


def run(*arguments):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path):
    """A small RSTPReid in the official layout."""
    folder, made = tmp_path / "RSTPReid", []
    (folder / "imgs").mkdir(parents=True)
    for number, split in enumerate(["train", "train", "val", "test"]):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "imgs" / f"{number}.jpg")
        made.append({"id": number, "img_path": f"{number}.jpg", "captions": ["a man", "in red"], "split": split})
    (folder / "data_captions.json").write_text(json.dumps(made))
    return folder


def test_a_sound_release_is_prepared_and_verified(root, tmp_path):
    done = run("RSTPReid", root, "--allow-partial", "--verify", "--report", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert f"wrote {root / 'human.jsonl'}" in done.stdout
    assert "train: 2 ids, 2 images, 4 captions (not official)" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ok"] is True
    assert report["missing"] == []


def test_bad_images_are_all_in_the_report_and_the_exit_code_is_2(root):
    (root / "imgs" / "0.jpg").unlink()
    (root / "imgs" / "2.jpg").write_bytes((root / "imgs" / "2.jpg").read_bytes()[:300])
    done = run("rstp-reid", root, "--allow-partial", "--verify")
    assert done.returncode == 2
    report = json.loads((root / "verify.json").read_text())
    assert report["missing"] == ["0.jpg"]
    assert [entry["file"] for entry in report["unreadable"]] == ["2.jpg"]
    assert "missing: 1" in done.stdout


def spoil(root, kind):
    path = root / "data_captions.json"
    text = path.read_text()
    items = json.loads(text)
    if kind == "truncated":
        path.write_text(text[:-9])
    elif kind == "missing keys":
        path.write_text(json.dumps([{"id": 1, "split": "train"}]))
    elif kind == "no splits":
        path.write_text(json.dumps([{k: v for k, v in item.items() if k != "split"} for item in items]))
    elif kind == "shared id":
        path.write_text(json.dumps([{**item, "id": 5} for item in items]))
    elif kind == "no file":
        path.unlink()


def test_what_is_prepared_is_verified_and_not_written_again(root, tool, tmp_path):
    assert tool("prepare_data", "RSTPReid", root, "--allow-partial")[0] == 0
    before = (root / "human.jsonl").stat()
    command = ("prepare_data", "RSTPReid", root, "--verify", "--report", tmp_path / "report.json")
    code, out, err = tool(*command)
    assert code == 0, err
    assert "human.jsonl: made from what is there, not written again" in out
    assert (root / "human.jsonl").stat() == before
    (root / "imgs" / "0.jpg").unlink()
    assert tool(*command)[0] == 2
    items = json.loads((root / "data_captions.json").read_text())
    (root / "data_captions.json").write_text(json.dumps(items[1:]))
    code, out, err = tool(*command)  # of another release nothing is known
    assert code == 2
    assert "not the official counts" in err
    code, out, err = tool(*command, "--allow-partial")
    assert code == 0, err
    assert "wrote" in out


@pytest.mark.parametrize("damage", ["annotations", "splits"])
def test_what_is_damaged_or_of_other_splits_is_prepared_again(root, tool, tmp_path, damage):
    spoil(root, "no splits")
    splits = tmp_path / "splits.json"
    splits.write_text(json.dumps({"0": "train", "1": "train", "2": "val", "3": "test"}))
    command = ("prepare_data", "RSTPReid", root, "--allow-partial", "--verify", "--splits", splits)
    for expected in ("wrote", "not written again"):
        code, out, err = tool(*command)
        assert code == 0, err
        assert expected in out
    if damage == "splits":
        splits.write_text(json.dumps({"0": "train", "1": "val", "2": "val", "3": "test"}))
    else:
        (root / "human.jsonl").write_text((root / "human.jsonl").read_text()[:-9])
    assert "wrote" in tool(*command)[1]


BAD = {
    "truncated": "not valid JSON",
    "missing keys": "no 'img_path', 'captions'",
    "no splits": "none of its 4 records has a 'split'",
    "shared id": "identity 5 is in several splits",
    "no file": "no data_captions.json",
    "other counts": "expected 3701 ids / 18505 images / 37010 captions, found 2 ids / 2 images / 4 captions",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_exits_with_2_and_without_a_traceback(root, kind):
    spoil(root, kind)
    done = run("RSTPReid", root, *([] if kind == "other counts" else ["--allow-partial"]))
    assert done.returncode == 2
    assert BAD[kind] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / "human.jsonl").exists()


def test_splits_can_be_given(root, tmp_path):
    spoil(root, "no splits")
    (tmp_path / "splits.json").write_text(json.dumps({"0": "train", "1": "train", "2.jpg": "val", "3": "test"}))
    done = run("RSTPReid", root, "--allow-partial", "--splits", tmp_path / "splits.json")
    assert done.returncode == 0, done.stderr


def test_an_unknown_data_set_lists_the_known_ones(root):
    done = run("RTSPReid", root)
    assert done.returncode == 2
    assert "Did you mean 'RSTPReid'?" in done.stderr


def test_a_file_that_cannot_be_written_exits_with_1(root):
    # A folder in the way of the report: even root cannot write there.
    (root / "report.json").mkdir()
    done = run("RSTPReid", root, "--allow-partial", "--verify", "--report", root / "report.json")
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "--report FILE puts the report elsewhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_verify_found_is_printed_though_the_report_cannot_be_written(root, tool, monkeypatch):
    def full(path, mode):
        raise storage_error(path, OSError(errno.ENOSPC, "full"))

    assert tool("prepare_data", "RSTPReid", root, "--allow-partial")[0] == 0
    monkeypatch.setattr("tbpsbench.files.atomic_write", full)
    code, out, err = tool("prepare_data", "RSTPReid", root, "--verify")
    assert (code, "the disk is full" in err) == (1, True)
    assert "train: 2 ids, 2 images, 4 captions (not official)" in out


def test_images_that_are_not_there_can_be_left_out_and_make_the_data_partial(root):
    (root / "imgs" / "0.jpg").unlink()
    done = run("RSTPReid", root, "--allow-partial", "--verify")
    assert done.returncode == 2
    done = run("RSTPReid", root, "--allow-partial", "--allow-missing", "--verify")
    assert done.returncode == 0, done.stderr
    assert "left out 1 images" in done.stdout
    header, *lines = map(json.loads, (root / "human.jsonl").read_text().splitlines())
    assert header["notes"]["partial"] is True
    assert header["notes"]["missing_images"] == 1
    assert header["counts"]["train"] == {"ids": 1, "images": 1, "captions": 2}
    assert [line["file"] for line in lines] == ["1.jpg", "2.jpg", "3.jpg"]
    assert [line["image_id"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["duplicates_across_splits", "listed_twice"])
def test_the_exit_code_covers_everything_that_verify_lists(root, kind):
    if kind == "listed_twice":
        items = json.loads((root / "data_captions.json").read_text())
        (root / "data_captions.json").write_text(json.dumps([*items, items[0]]))
    else:
        (root / "imgs" / "3.jpg").write_bytes((root / "imgs" / "0.jpg").read_bytes())
    done = run("RSTPReid", root, "--allow-partial", "--verify")
    assert done.returncode == 2
    assert json.loads((root / "verify.json").read_text())["wrong"] == [kind]
    assert f"wrong: {kind.replace('_', ' ')}" in done.stdout


def test_the_home_folder_and_names_that_are_none(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    assert run("RSTPReid", "~/RSTPReid", "--allow-partial").returncode == 0
    for odd in ("x" * 300, b"\xff\xfe".decode("utf-8", "surrogateescape"), "~nobody-of-this-name"):
        done = run("RSTPReid", odd, "--allow-partial")
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")


def test_a_reader_that_cannot_leave_images_out_says_so(tool, tmp_path):
    @DATASETS.register("Simple")
    class Simple(PersonSearchDataset):
        def prepare(self, *, splits_file=None, allow_partial=False):
            raise AssertionError("not asked for")

    try:
        code, _, err = tool("prepare_data", "Simple", tmp_path, "--allow-missing")
    finally:
        DATASETS.remove("Simple")
    assert code == 2
    assert "cannot leave images out" in err


def test_swapped_pictures_of_minipedes_are_wrong_until_it_is_built_again(mini, tmp_path, tool):
    shutil.copytree(mini, tmp_path / "mini")
    images = tmp_path / "mini" / "tiny-0" / "images"
    command = ("prepare_data", "MiniPEDES", tmp_path / "mini", "--dataset-options", "size=tiny", "--verify")
    assert tool(*command)[0] == 0
    one, other = images / "00000_A_0.png", images / "00001_A_0.png"
    pictures = one.read_bytes(), other.read_bytes()
    other.write_bytes(pictures[0])
    one.write_bytes(pictures[1])
    code, out, _ = tool(*command)
    assert code == 2
    assert "wrong: pixels" in out
    assert "Delete the folder images" in out
    shutil.rmtree(images)
    assert tool(*command)[0] == 0
    assert one.read_bytes() == pictures[0]
