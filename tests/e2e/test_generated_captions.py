"""Trained on generated captions, asked human ones; the record tells, and verifies."""

import json

from tbpsbench.annotations import read_annotations


def test_train_on_simulated_captions(demo, mini, tool, tmp_path):
    config, option, *overrides = demo
    run = tmp_path / "run"
    captions = "data.captions=static-wrong20-missing10"
    code, out, err = tool("train", config, "--work-dir", run, option, *overrides, captions, "schedule.max_epochs=1")
    assert code == 0, err
    record = json.loads((run / "record" / "record.json").read_text())
    own, shown = record["data"]["sources"]
    assert (own["role"], own["source"], own["file"]) == ("captions", "human", "human.jsonl")
    assert (shown["role"], shown["file"]) == ("training", "static-wrong20-missing10.jsonl")
    file = read_annotations(mini / "tiny-0" / shown["file"])
    assert shown["sha256"] == file.sha256
    told = shown["made_from"]["captioner"]
    assert told["source"] == "mtg"
    assert told["models"]["mllm"].startswith("simulated")
    assert set(told["prompts"]) == {"static"}
    assert shown["notes"]["simulated"]["mllm"]["wrong"] == 0.2
    queries = sum(len(r.captions) for r in read_annotations(mini / "tiny-0" / "human.jsonl").split("test"))
    assert record["results"]["standard"]["queries"] == queries

    code, out, err = tool("leaderboard", "verify", run / "record", "--data", mini)
    assert code == 0, out + err

    # The file is not needed to evaluate; the record still says what was learnt from.
    (mini / "tiny-0" / shown["file"]).unlink()
    code, out, err = tool("test", run / "best.pth", "--out", tmp_path / "again")
    assert code == 0, err
    again = json.loads((tmp_path / "again" / "record.json").read_text())
    assert again["data"]["sources"] == record["data"]["sources"]
    assert again["results"]["standard"]["scores"] == record["results"]["standard"]["scores"]
