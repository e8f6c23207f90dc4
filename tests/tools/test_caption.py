"""tools/caption.py as a user runs it: prompts, a preview, a run that stops and goes on, a sheet, the file."""

import json
import os
import re
import shutil
import stat

import pytest
from PIL import Image

from tbpsbench.annotations import read_annotations
from tbpsbench.captions.spent import spent_in


@pytest.fixture
def config(mini, tmp_path):
    """A config over a tiny MiniPEDES of its own."""
    path, root = tmp_path / "captions.py", tmp_path / "data"
    shutil.copytree(mini / "tiny-0", root / "tiny-0")
    path.write_text(
        f'"""Here."""\n\ndataset = dict(type="MiniPEDES", root={str(root)!r}, size="tiny")\n'
        f'source = dict(type="mtg", name="here", rounds=2)\nmllm = dict(type="Simulated", wrong=0.1)\n'
        f"out = {str(tmp_path / 'run')!r}\n"
    )
    return path


def test_dry_run_asks_nobody(config, tool, tmp_path):
    code, out, err = tool("caption", config, "--dry-run")
    assert code == 0, err
    assert "4 calls for one image" in out
    assert "Describe the person in the image" in out
    assert "Rephrase the description using all the above information" in out
    assert re.search(r"all 36 images: 144 calls, about [\d,]+ tokens of prompts and [\d,]+ of replies, \$0\.00", out)
    assert not (tmp_path / "run").exists()


def test_preview_prints_and_keeps_the_replies_alone(config, tool, tmp_path):
    code, out, err = tool("caption", config, "--preview", "2")
    assert code == 0, err
    assert out.count("  static   ") == 2
    assert "2 captioned, 0 failed" in out
    assert [path.name for path in (tmp_path / "run").iterdir() if path.suffix == ".jsonl"] == []
    code, out, _ = tool("caption", config, "--preview", "2")
    assert "2 captioned, 0 failed, 0 calls" in out


def test_a_run_in_two_parts_and_its_sheet(config, tool, tmp_path):
    code, out, err = tool("caption", config, "--limit", "5")
    assert code == 0, err
    assert "5 of 36 images" in out
    assert "31 images are left" in out
    code, _, err = tool("caption", config, "--publish")
    assert (code, "31 of 36 images have no caption yet" in err) == (2, True)
    code, out, err = tool("caption", config)
    assert code == 0, err
    assert "use it with data.captions=here" in out
    file = read_annotations(tmp_path / "data" / "tiny-0" / "here.jsonl")
    assert [len(record.captions) for record in file.split("train")] == [1] * 36
    code, out, err = tool("caption", config, "--measure")
    assert code == 0, err
    assert re.search(r"\| here \| 36 \| [\d.]+ \| [\d.]+ \| [\d.]+ % \| [\d.]+ % \|", out)
    code, out, err = tool("caption", config, "--inspect", "--out", tmp_path / "sheet.png")
    assert code == 0, err
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 900
        assert sheet.height > 1000
    failed = tmp_path / "run" / "records-0of1.jsonl"
    (tmp_path / "run" / "failed-0of1.jsonl").write_text(
        failed.read_text().splitlines()[0].replace('"texts"', '"reason": "bad-image", "detail": "damaged", "texts"')
        .replace(json.loads(failed.read_text().splitlines()[0])["image_id"], "gone.png") + "\n"
    )  # fmt: skip
    code, out, err = tool("caption", config, "--inspect", "--out", tmp_path / "sheet.png")
    assert code == 0, err


def test_a_budget_that_is_used_up(config, tool):
    code, out, err = tool("caption", config, "--cfg-options", "budget=dict(calls=9)")
    assert code == 1
    assert "error: stopped with " in err
    assert "budget.calls" in err
    assert "the same command goes on" in err
    assert tool("caption", config)[0] == 0
    assert "of 36 images" in out


def test_a_budget_holds_for_all_starts_together(config, tool, tmp_path):
    budget = "--cfg-options", "budget=dict(calls=30)", "images_at_once=1"
    assert tool("caption", config, "--preview", "1", *budget)[0] == 0
    kept = tmp_path / "run" / "spent"
    assert 3 <= spent_in(tmp_path / "run", "preview").calls <= 4
    for _ in range(3):
        code, _, err = tool("caption", config, *budget)
        assert code == 1
        assert "The budget of 30 calls is used up (30 calls spent" in err
        assert spent_in(tmp_path / "run").calls == 30
    code, _, err = tool("caption", config, "--workers", 2, *budget)
    assert code == 2
    assert "budget.calls: 0 is less than one for each of 2 workers" in err
    assert {path.name for path in kept.iterdir()} == {"preview.jsonl", "0of1.jsonl", "prepare.jsonl"}
    budget = "--cfg-options", "budget=dict(calls=50)"
    assert tool("caption", config, "--workers", 2, *budget)[0] != 0
    assert 30 < spent_in(tmp_path / "run").calls <= 50


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_must_not_be_written(config, tool, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(stat.S_IRUSR | stat.S_IXUSR)
    code, _, err = tool("caption", config)
    assert (code, "no permission" in err) == (1, True)


def test_a_folder_that_cannot_be_made(config, tool, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = tool("caption", config, "--cfg-options", f"out={tmp_path / 'file' / 'run'}")
    assert (code, "cannot write" in err, "Traceback" in err) == (1, True, False)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "x", "1"])
def test_shards_are_numbered_from_one(config, tool, shard):
    code, _, err = tool("caption", config, "--shard", shard)
    assert (code, "write 1/8" in err) == (2, True)


def test_check_reads_configs_of_captions(config, tool):
    assert tool("check", config)[0] == 0
    code, _, err = tool("check", config, "--cfg-options", "source.round=3")
    assert (code, "Did you mean 'rounds'" in err) == (2, True)


def with_budget(config, calls):
    config.write_text(f"{config.read_text()}budget = dict(calls={calls})\n")


@pytest.mark.parametrize("launcher", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_several_processes_share_a_run(launcher, config, tool, tmp_path):
    if launcher == "ray":
        ray = pytest.importorskip("ray", reason="ray is in the extra 'cluster'")
        ray.init(num_cpus=2, include_dashboard=False)
    try:
        with_budget(config, 4000)
        more = ("--cfg-options", "budget.calls=400")
        code, out, err = tool("caption", config, "--workers", 2, "--launcher", launcher, *more)
    finally:
        if launcher == "ray":
            ray.shutdown()
    assert code == 0, err
    kept = sorted(path.name for path in (tmp_path / "run").glob("records-*.jsonl"))
    assert kept == ["records-0of2.jsonl", "records-1of2.jsonl"]
    assert (tmp_path / "run" / "replies-1of2.sqlite").exists() == (launcher == "ray")
    assert "use it with data.captions=here" in out
    file = read_annotations(tmp_path / "data" / "tiny-0" / "here.jsonl")
    assert [len(record.captions) for record in file.split("train")] == [1] * 36


def test_a_share_that_stops_is_told_and_the_rest_is_kept(config, tool, tmp_path):
    with_budget(config, 60)
    code, _, err = tool("caption", config, "--workers", 2)
    assert code != 0
    assert err.count("The budget of 30 calls is used up") == 2
    assert "What was finished is kept" in err
    assert not (tmp_path / "data" / "tiny-0" / "here.jsonl").exists()
    code, _, err = tool("caption", config, "--workers", 2, "--cfg-options", "budget.calls=4000")
    assert code == 0, err
    assert (tmp_path / "data" / "tiny-0" / "here.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "1/2"), "give one of the two"),
        (("--limit", "3"), "give them without --workers"),
        (("--partial",), "give them without --workers"),
        (("--cfg-options", "budget.calls=1"), "budget.calls: 1 is less than one for each of 2 workers"),
    ],
)
def test_what_workers_cannot_share_is_refused(config, tool, options, message):
    with_budget(config, 60)
    code, _, err = tool("caption", config, "--workers", 2, *options)
    assert code == 2
    assert message in err


def test_a_worker_that_was_killed_is_no_success():
    from tbpsbench.captions.shares import worst

    assert [worst(codes) for codes in ([0, 0], [0, -9], [-9, 0, 2], [0, 2, -9])] == [0, 1, 1, 2]


def test_workers_share_what_is_left_of_a_budget():
    from tbpsbench.captions.shares import commands, left_of
    from tbpsbench.mllm.meter import Spent

    assert left_of({"calls": 9}, Spent(calls=10)) == {"calls": 0}
    left = left_of({"calls": 110, "tokens": None, "usd": 5.5}, Spent(10, 1000, 0.5))
    assert left == {"calls": 100, "tokens": None, "usd": 5.0}
    for number, line in enumerate(commands("c.py", ["out=here"], left, 4), start=1):
        assert line[line.index("--shard") + 1] == f"{number}/4"
        assert line[line.index("--cfg-options") + 1 :] == ["out=here", "budget.calls=25", "budget.usd=1.25"]
    again = commands("c.py", [], left, 4, spent=lambda number: Spent(calls=number, usd=1.0))
    assert [line[-2:] for line in again] == [[f"budget.calls={25 + n}", "budget.usd=2.25"] for n in range(4)]


def test_workers_write_in_clustered_styles_and_begin_once(config, tool, tmp_path):
    styled = 'type="style_clustered", name="here", output="caption", clusterer=dict(type="KMeans"), naming="words"'
    config.write_text(config.read_text().replace('type="mtg", name="here", rounds=2', styled))
    code, _, err = tool("caption", config, "--workers", 2, "--resume", "never")
    assert code == 0, err
    records = read_annotations(tmp_path / "data" / "tiny-0" / "here.jsonl").split("train")
    assert all(record.captions for record in records)
    code, _, err = tool("caption", config, "--workers", 2, "--resume", "never")
    assert code == 2
    assert "holds captions already" in err
