"""The tools as a user meets them: results, records, pictures, and what they say about bad input."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tbpsbench.metrics.ranking import PositiveRanks, summarize


def record(folder):
    return json.loads((Path(folder) / "record.json").read_text())


def test_run_leaves_checkpoints_card_config_logs_and_record(run):
    assert {p.name for p in run.iterdir()} >= {"run.json", "config.py", "last.pth", "best.pth", "logs", "record"}
    card = json.loads((run / "run.json").read_text())
    assert card["status"] == "finished"
    assert len(card["history"]) == 2
    assert list(run.glob("logs/*/vis_data/events.out.tfevents*")), "no TensorBoard file"
    assert "checkpoint chosen by: val" in (run.parent / "printed.txt").read_text()


def test_record_holds_what_a_reader_needs_to_check_it(run):
    found = record(run / "record")
    assert found["track"] == "dual-encoder"
    assert found["selection"]["rule"] == "val"
    assert found["selection"]["test_evaluations"] == 1
    data = "MiniPEDES (tiny)"
    assert found["spec"] == {"data": data, "trained_on": data, "split": "test", "version": 1}
    assert found["selection"]["queries"] == found["data"]["counts"]["val"]["captions"]
    assert len(found["config_sha256"]) == len(found["checkpoint"]["sha256"]) == 64
    assert found["data"]["sources"][0]["made_from"]["seed"] == 0
    assert found["cost"]["parameters"] > 0
    assert found["cost"]["image_flops"] > 0
    for result in found["results"].values():
        for key, (low, high) in result["intervals_95"].items():
            assert low <= result["scores"][key] <= high


def test_every_score_follows_from_the_stored_ranks(run):
    found = record(run / "record")
    with np.load(run / "record" / "ranks.npz", allow_pickle=False) as arrays:
        for name, result in found["results"].items():
            own = {key.split("/")[1]: arrays[key] for key in arrays.files if key.startswith(f"{name}/")}
            scores = summarize(PositiveRanks.from_arrays(own))
            assert scores == pytest.approx(result["scores"], abs=1e-9)
            assert len(own["query_pid"]) == result["queries"]


def test_resolved_config_reproduces_the_run(run, tool, tmp_path):
    code, _, err = tool("train", run / "config.py", "--work-dir", tmp_path / "again")
    assert code == 0, err
    assert record(tmp_path / "again" / "record")["results"] == record(run / "record")["results"]
    weights = [torch.load(folder / "best.pth", weights_only=True)["state_dict"] for folder in (run, tmp_path / "again")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_evaluating_the_checkpoint_gives_the_records_scores(run, tool, tmp_path):
    for given in ([run / "best.pth"], [run], [run / "config.py", run / "best.pth"]):
        code, out, err = tool("test", *given, "--out", tmp_path / "record")
        assert code == 0, err
        found = record(tmp_path / "record")
        assert found["results"] == record(run / "record")["results"]
        assert (found["name"], found["system_sha256"]) == tuple(
            record(run / "record")[key] for key in ("name", "system_sha256")
        )
        assert "standard" in out
        assert "from the checkpoint" not in out


def test_processes_besides_the_first_evaluate_and_say_nothing(run, tool, tmp_path, monkeypatch):
    monkeypatch.setattr("mmengine.dist.is_main_process", lambda: False)
    code, out, err = tool("test", run, "--out", tmp_path / "record")
    assert (code, out) == (0, ""), err
    assert not (tmp_path / "record").exists()


def test_resuming_and_discarding_a_run_exclude_each_other(run, tool, demo):
    before = (run / "last.pth").read_bytes()
    for resume in (["--resume"], ["--resume", "auto"]):
        code, _, err = tool("train", demo[0], "--work-dir", run, *resume, "--overwrite", *demo[1:])
        assert code == 2
        assert "not allowed with argument --resume" in err
    assert (run / "last.pth").read_bytes() == before


@pytest.mark.parametrize("name", ["", "."])
def test_the_folder_that_one_is_in_is_not_taken_for_a_runs(tool, demo, tmp_path, monkeypatch, name):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine.txt").touch()
    config = Path(demo[0]).absolute()
    monkeypatch.chdir(tmp_path)
    code, _, err = tool("train", config, "--work-dir", name, *demo[1:])
    assert code == 2
    assert ("name is empty" if name == "" else "holds no run, but logs") in err
    assert [path.name for path in tmp_path.rglob("*")] == ["logs", "mine.txt"]


def test_finished_run_is_not_trained_over(run, tool, demo):
    before = (run / "best.pth").read_bytes()
    code, _, err = tool("train", demo[0], "--work-dir", run, *demo[1:])
    assert code == 2
    assert "already holds a run" in err
    assert (run / "best.pth").read_bytes() == before


def test_resume_with_another_learning_rate_is_refused(run, tool, demo):
    code, _, err = tool(
        "train", demo[0], "--work-dir", run, "--resume", *demo[1:], "schedule.max_epochs=2", "optimizer.lr=1"
    )
    assert code == 2
    assert "optimizer.lr: 0.001 -> 1" in err


def test_selection_on_test_is_a_badge_and_counted(tool, demo, tmp_path):
    more = ["schedule.max_epochs=1", "evaluation.selection=test", "evaluation.both_directions=True"]
    more.append("evaluation.protocols=('standard', 'without-captioned-image')")
    code, out, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *demo[1:], *more)
    assert code == 0, err
    assert "selected on test" in out
    found = record(tmp_path / "run" / "record")
    assert found["selection"]["test_evaluations"] == 2
    assert set(found["results"]) == {"standard", "standard (image-to-text)", "without-captioned-image"}


def test_gallery_texts_put_the_result_in_their_track_and_are_guarded(tool, demo, tmp_path, mini):
    more = ["schedule.max_epochs=1", "evaluation.selection=last", "data.descriptions=descriptions"]
    more += ["model.fuser=dict(type='SimpleFuser', dim=16, out_dim=16)", "model.heads.global.image=fused"]
    texts = "evaluation.gallery_texts=descriptions"
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "a", *demo[1:], *more, texts)
    assert code == 0, err
    assert record(tmp_path / "a" / "record")["track"] == "gallery-text"
    code, _, err = tool(
        "train", demo[0], "--work-dir", tmp_path / "b", *demo[1:], *more, "evaluation.gallery_texts=human"
    )
    assert code == 2
    assert "query" in err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.losses.itc.temprature=1", "Did you mean 'temperature'?"),
        ("model.losses.hsic=None", "there is no model.losses.hsic"),
        ("data.descriptions=gone", "gone.jsonl: no such file"),
        ("evaluation.metric=R@7", "no score is called 'R@7'"),
        ("model.image_encoder.arch=dict(embed_dim=16)", "arch"),
        ("param_groups.rules=[dict(pattern='fusr')]", "no parameter matches 'fusr'"),
    ],
)
def test_bad_settings_end_with_code_2_and_leave_nothing(tool, demo, tmp_path, override, message):
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *demo[1:], "schedule.max_epochs=1", override)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_check_lists_everything_and_reads_no_data(tool, tmp_path):
    config = "configs/mini/two-tower_mini-pedes.py"
    root = f"data.dataset.root={tmp_path / 'none'}"
    assert tool("check", config, "--cfg-options", root)[0] == 0
    code, _, err = tool("check", config, "--cfg-options", root, "data.btch_size=1", "optimizer.lrr=1")
    assert code == 2
    assert "2 problems" in err
    assert not (tmp_path / "none").exists()


def test_a_suite_is_checked_whole_and_refused_as_a_config(tool, tmp_path):
    suite = "configs/leaderboards/mini_ablation_bdam.py"
    code, out, err = tool("check", suite)
    assert (code, err) == (0, "")
    assert "no problems in 15 runs" in out
    code, _, err = tool("train", suite, "--work-dir", tmp_path / "run")
    assert code == 2
    assert f"python tools/leaderboard.py run {suite}" in err
    assert not (tmp_path / "run").exists()
    broken = tmp_path / "broken.py"
    broken.write_text("title = 'broken'\nentries = dict(a=dict(config='no.py'))\ndatasets = {'mini-pedes': []}\n")
    code, _, err = tool("check", broken)
    assert code == 2
    assert "no.py" in err


def test_explain_prints_every_value_with_its_origin(tool):
    code, out, _ = tool("explain", "configs/mini/two-tower_mini-pedes.py", "--cfg-options", "data.batch_size=8")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert lines["data.batch_size"].endswith("--cfg-options")
    assert "configs/_base_/systems/two-tower_tiny.py:" in lines["model.image_encoder.stem"]
    assert lines["evaluation.ties"].endswith("default")
    code, out, _ = tool("explain", "configs/mini/two-tower_mini-pedes.py", "--only", "model.loss")
    assert code == 0
    assert {line.partition(" ")[0].rpartition(".")[0] for line in out.splitlines()} == {"model.losses.itc"}


def test_explain_of_a_key_that_there_is_not_names_the_nearest(tool):
    code, out, err = tool("explain", "configs/mini/two-tower_mini-pedes.py", "--only", "model.loses")
    assert (code, out) == (2, "")
    assert "--only model.loses: no key of the config starts so. Did you mean 'model.losses'?" in err


class Code:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.mkdir, (self.marker,)


def test_checkpoint_of_another_model_or_with_code_is_refused(run, tool, tmp_path):
    torch.save({"state_dict": {"other.weight": torch.ones(3)}}, tmp_path / "other.pth")
    code, _, err = tool("test", tmp_path / "other.pth")
    assert code == 2
    assert "holds weights alone" in err
    assert "tools/convert_checkpoint.py CONFIG" in err
    described = torch.load(run / "best.pth", weights_only=True)
    torch.save(described | {"state_dict": {"other.weight": torch.ones(3)}}, tmp_path / "other.pth")
    code, _, err = tool("test", tmp_path / "other.pth")
    assert code == 2
    assert "other.weight" in err
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Code(tmp_path / "executed")))
    assert tool("test", tmp_path / "evil.pth")[0] == 2
    (tmp_path / "cut.pth").write_bytes((run / "best.pth").read_bytes()[:1000])
    code, _, err = tool("test", tmp_path / "cut.pth")
    assert code == 2
    assert "not a complete weight file" in err
    assert not (tmp_path / "executed").exists()


def test_repeated_cfg_options_add_up(tool):
    config = "configs/mini/two-tower_mini-pedes.py"
    code, out, _ = tool("explain", config, "--cfg-options", "data.batch_size=8", "--cfg-options", "seed=5")
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert code == 0
    assert (rows["data.batch_size"], rows["seed"]) == ("8", "5")


def test_bf16_and_accumulation_train(tool, demo, tmp_path):
    more = ["schedule.max_epochs=1", "runtime.amp=bf16", "runtime.accumulate=2", "evaluation.selection=last"]
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *demo[1:], *more)
    assert code == 0, err
    weights = torch.load(tmp_path / "run" / "last.pth", weights_only=True)["state_dict"]
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in weights.values())
