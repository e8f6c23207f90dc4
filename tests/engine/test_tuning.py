import json

import pytest

from tbpsbench.config.load import load_config
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.run import build_run
from tbpsbench.engine.tuning import RERANKER, Tried, as_table, grid, search
from tbpsbench.errors import ConfigError
from tbpsbench.protocols.base import BEFORE


@pytest.fixture
def run(demo):
    config, _, *overrides = demo
    return build_run(load_config(config, overrides))


def test_every_combination_is_tried():
    assert grid("KReciprocal", ["k1=4,8", "weight=0.5"]) == [
        {"type": "KReciprocal", "k1": 4, "weight": 0.5},
        {"type": "KReciprocal", "k1": 8, "weight": 0.5},
    ]
    assert [c["join"] for c in grid("ImageTextMatching", ["join=replace,add"])] == ["replace", "add"]
    assert [c["k"] for c in grid("InvertedSoftmax", ["k=None,1"])] == [None, 1]
    assert grid("QueryExpansion", []) == [{"type": "QueryExpansion"}]


@pytest.mark.parametrize("ranges", [["k1"], ["k1="], ["type=A,B"], ["k1=1", "k1=2"], ["k-1=2"]])
def test_what_is_no_range_is_refused(ranges):
    with pytest.raises(ConfigError, match="ARGUMENT=VALUE"):
        grid("KReciprocal", ranges)


def test_too_many_combinations_are_refused():
    values = ",".join(map(str, range(1, 33)))
    with pytest.raises(ConfigError, match="more than 1000 combinations of k1, k2"):
        grid("KReciprocal", [f"k1={values}", f"k2={values}"])


def test_the_validation_split_alone_is_read_and_the_best_comes_first(run, monkeypatch):
    asked, data = [], run.evaluation
    for name in ("queries", "gallery"):
        own = getattr(data, name)
        monkeypatch.setattr(type(data), name, lambda self, split, own=own: asked.append(split) or own(split))
    components = grid("KReciprocal", ["k1=3,6", "weight=0.0,1.0"])
    section = run.settings.evaluation
    section = type(section)(**{**vars(section), "metric": "mAP", "protocols": ("standard",)})
    run.model.train()
    found = search(RERANKER, run.model, data, section, components)
    assert run.model.training
    assert {*asked} == {"val"}
    assert [one.score for one in found] == sorted((one.scores["mAP"] for one in found), reverse=True)
    assert {None, *map(str, components)} == {one.component and str(one.component) for one in found}
    for one in found:
        rerank = [one.component] if one.component else []
        alone = evaluate(run.model, data, "val", type(section)(**{**vars(section), "rerank": rerank}))
        assert one.scores == alone.results["standard"].scores
        assert (f"standard{BEFORE}" in alone.results, one.cost > 0) == (bool(rerank), bool(rerank))
    with pytest.raises(ConfigError, match="no score is called 'R@7'"):
        search(RERANKER, run.model, data, type(section)(**{**vars(section), "metric": "R@7"}), components)


def test_table_names_settings_and_scores():
    tried = [Tried({"type": "A", "k": 3}, 50, {"R@1": 50, "clothes-change/R@1": 7}, 1.5), Tried({"type": "A"}, 40, {})]
    first = as_table(RERANKER, [*tried[:1], Tried(None, 40, {"R@1": 40, "clothes-change/R@1": 5})]).splitlines()
    assert [line.split() for line in first] == [
        ["settings", "R@1", "clothes-change/R@1", "ms", "a", "query"],
        ["k=3", "50.00", "7.00", "1.50"],
        ["no", "re-ranking", "40.00", "5.00", "0.00"],
    ]
    assert len({len(line) for line in first}) == 1
    assert as_table(RERANKER, tried[1:]).splitlines()[1].startswith("as it is")


@pytest.fixture
def checkpoint(demo, tool, tmp_path):
    assert tool("train", *demo, "--work-dir", tmp_path / "run")[0] == 0
    return tmp_path / "run"


def test_the_tools_try_settings_and_say_how_to_test_the_best(checkpoint, tool):
    mllm = "mllm=dict(type='Simulated', misjudged=0.1, wrong=0.1)"
    asked = {
        "rerank": (["KReciprocal", "k1=3,6"], ["k1=3", "k1=6", "no re-ranking"], "evaluation.rerank="),
        "interact": (["MTI", mllm, "--try", "lam=0.2,0.8"], ["asking nobody", "lam=0.2", "lam=0.8"],
                     "evaluation.interactor="),
    }  # fmt: skip
    for name, (arguments, rows, key) in asked.items():
        out = checkpoint / f"{name}.json"
        code, told, problem = tool(name, checkpoint, *arguments, "--by", "mAP", "--out", out)
        assert code == 0, problem
        lines = told.splitlines()
        first = next(number for number, line in enumerate(lines, 1) if line.startswith("settings"))
        assert sorted(line.partition("  ")[0] for line in lines[first : first + 3]) == rows
        assert "2 settings tried on the split 'val'" in told
        best, *_ = tried = json.loads(out.read_text())["tried"]
        assert best["score"] == max(one["score"] for one in tried)
        assert (key in lines[-1]) == (best["component"] is not None)
        assert ("none is better by mAP than " in lines[-1]) == (best["component"] is None)
    assert tool("interact", checkpoint, "MTI", "lam")[0] == 2
    code, _, problem = tool("interact", checkpoint, "MTI", mllm, "--try", "lmd=0.2")
    assert code == 2
    assert "lmd" in problem
