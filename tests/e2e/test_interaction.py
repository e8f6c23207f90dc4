"""MTI in an evaluation: a simulated judge and answerer, ablations beside it, replies that are played again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.evaluate import Rankings
from tbpsbench.engine.plan import plan_evaluation
from tbpsbench.engine.trained import open_trained
from tbpsbench.leaderboard.doctor.record import record_objections
from tbpsbench.leaderboard.verify.group import verify_all
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.protocols.base import ABLATIONS
from tbpsbench.reading import read_json

SIMULATED = "dict(type='Simulated', misjudged=0.1, wrong=0.1)"


def mti(mllm=SIMULATED, **keys):
    given = "".join(f", {key}={value!r}" for key, value in keys.items())
    return f"evaluation.interactor=dict(type='MTI', mllm={mllm}{given})"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("interaction")


@pytest.fixture
def record(tool, run, made):
    """The record of an evaluation with MTI, and its replies, made once."""
    if not (made / "record").exists():
        asked = mti(recording=str(made / "replies.jsonl"), k=5)
        code, _, err = tool("test", run, "--out", made / "record", "--cfg-options", asked, ONE)
        assert code == 0, err
    return read_json(made / "record" / "record.json")


ONE = "evaluation.protocols=('standard',)"


def test_a_record_has_the_method_and_what_must_stand_beside_it(record, made):
    names = {"standard", "standard (before interaction)", *(f"standard ({name})" for name in ABLATIONS)}
    assert set(record["results"]) == names
    talked = record["interaction"]
    assert (record["track"], talked["answerer"], talked["simulated"]) == ("interactive", "anchor", True)
    assert talked["clients"][0]["simulated"]["misjudged"] == 0.1
    report = talked["protocols"]["standard"]
    scores = {name: result["scores"]["R@1"] for name, result in record["results"].items()}
    flips = report["flips"]
    gain = 100 * (flips["wrong_to_right"] - flips["right_to_wrong"]) / report["queries"]
    assert np.isclose(scores["standard"] - scores["standard (before interaction)"], gain)
    # A hard anchor is always first, so that what is right at rank 1 follows from the judge alone.
    assert np.isclose(scores["standard"], scores["standard (judge only)"])
    assert np.isclose(scores["standard"], report["anchors"]["expected_R@1"])
    assert scores["standard (oracle anchor)"] >= scores["standard"]
    assert [row["round"] for row in report["rounds"]] == list(range(6))
    assert np.isclose(report["rounds"][-1]["instantaneous"]["R@1"], scores["standard"])
    assert [row["calls"] for row in report["budgets"]] == [1, 2, 5, 10, 20]
    assert [row["mean_calls"] for row in report["budgets"]] == sorted(row["mean_calls"] for row in report["budgets"])
    assert np.isclose(report["budgets"][-1]["R@1"], scores["standard"])
    assert report["cost"]["calls_max"] <= 7
    said = " ".join(one.message for one in record_objections(record))
    assert "simulated: nobody looked" in said
    assert "judge alone" not in said
    del record["results"]["standard (judge only)"]
    assert "nothing says what the judge alone gives" in " ".join(one.message for one in record_objections(record))
    found = verify_all(made)
    assert found.ok, found.report()


def test_replies_that_are_played_again_give_the_same_ranks(record, made, tool, run):
    replay = f"dict(type='Replay', path={str(made / 'replies.jsonl')!r})"
    code, _, err = tool("test", run, "--out", made / "again", "--cfg-options", mti(replay, k=5), ONE)
    assert code == 0, err
    again = read_json(made / "again" / "record.json")
    assert again["results"] == record["results"]
    assert again["evidence"]["sha256"] == record["evidence"]["sha256"]
    same = ("anchors", "flips", "rounds", "budgets", "bri")
    one, other = (r["interaction"]["protocols"]["standard"] for r in (record, again))
    assert [one[key] for key in same] == [other[key] for key in same]
    assert again["interaction"]["simulated"], "recorded replies of a simulation are no better than the simulation"


def test_an_edited_interaction_is_found_out(record, made, tmp_path):
    (tmp_path / "ranks.npz").write_bytes((made / "record" / "ranks.npz").read_bytes())
    for change, what in (
        (lambda r: r.update(track="dual-encoder"), "track"),
        (lambda r: r["interaction"]["component"].update(lam=0.1), "interaction"),
        (lambda r: r["interaction"].update(answerer="witness"), "track"),
        (lambda r: r["interaction"]["protocols"]["standard"]["flips"].update({"gain_R@1": 99.0}), "gain_R@1"),
        (lambda r: r["interaction"]["protocols"]["standard"].pop("anchors"), "anchors"),
    ):
        edited = json.loads(json.dumps(record))
        change(edited)
        (tmp_path / "record.json").write_text(json.dumps(edited))
        found = verify(tmp_path)
        assert any(what in problem.what for problem in found.problems), (what, found.problems)


def test_person_ids_decide_nothing(run):
    """Other identities: other scores, but the same pictures shown, the same anchors, the same similarities."""
    trained = open_trained(run, None, [mti(k=5), ONE])
    model, data, section = trained.system.model.eval(), trained.data, trained.settings.evaluation
    plan = plan_evaluation(data, "test", section)
    images = {name: embed_images(model, gallery, 64) for name, gallery in plan.galleries.items()}
    texts = embed_captions(model, plan.queries, 64)
    question, dice, found = plan.questions[0], np.random.default_rng(0), []
    for shuffled in (False, True):
        asked = question
        if shuffled:
            swapped = dict(
                zip(*(lambda ids: (ids, dice.permutation(ids)))(np.unique(question.answer.pids)), strict=True)
            )
            order = dice.permutation(len(question.answer.pids))
            sides = [np.array([swapped[pid] for pid in side.pids]) for side in (question.ask, question.answer)]
            asked = replace(question, ask=replace(question.ask, pids=sides[0]),
                            answer=replace(question.answer, pids=sides[1][order]))  # fmt: skip
        rankings = Rankings(model, data, replace(section, skip_unmatched=True), plan, texts, images)
        results = list(rankings.results(replace(asked, skip=True)))
        found.append((results[0].scores["R@1"], rankings.found["standard"].outcome))
    (score, plain), (other, permuted) = found
    assert score != other
    assert np.array_equal(plain.anchors, permuted.anchors)
    assert [one.export() for one in plain.sessions] == [one.export() for one in permuted.sessions]
    count = len(plain.anchors)
    assert (plain.scores(0, count) == permuted.scores(0, count)).all()


@pytest.mark.parametrize("answerer", ["witness", "oracle"])
def test_who_knows_the_person_is_in_a_track_of_their_own(tool, run, answerer, tmp_path):
    asked = mti("dict(type='Simulated')", answerer=answerer, max_questions=2)
    code, out, err = tool("test", run, "--out", tmp_path, "--cfg-options", asked, ONE)
    assert code == 0, err
    record = read_json(tmp_path / "record.json")
    assert record["track"] == "interactive-witness"
    assert set(record["results"]) == {"standard", "standard (before interaction)"}
    assert "simulated dialogue" in out
    assert verify_all(tmp_path).ok


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interactor", "MTY"], "MTY"),
        (["--interactor", "MTI"], "evaluation.interactor.mllm: names the model that judges"),
        (
            ["--cfg-options", "evaluation.interactor=dict(type='MTI', mlm=dict(type='Simulated'))"],
            "has no argument 'mlm'",
        ),
        (["--cfg-options", "evaluation.interactor=dict(type='MTI', mllm=dict(type='Simulatd'))"], "'Simulatd'"),
        (["--cfg-options", mti(lam=3)], "lam is 3"),
        (["--cfg-options", mti(k=5), "evaluation.rerank=[dict(type='KReciprocal')]"], "evaluation.interactor"),
    ],
)
def test_mistakes_are_named(tool, run, options, message):
    code, _, err = tool("test", run, *options)
    assert (code, message in err) == (2, True), err


def test_settings_are_tried_on_validation_and_the_winner_can_be_evaluated(tool, run, tmp_path):
    asked = "MTI", f"mllm={SIMULATED}", "k=3", "--try", "lam=0.2,0.8", "--by", "mAP", "--out", tmp_path / "tried.json"
    code, out, err = tool("interact", run, *asked)
    assert code == 0, err
    tried = read_json(tmp_path / "tried.json")
    assert (tried["split"], tried["by"], len(tried["tried"])) == ("val", "mAP", 3)
    assert "2 settings tried on the split 'val'" in out
    assert all(name in out for name in ("lam=0.2", "lam=0.8", "asking nobody"))
    code, _, err = tool("interact", run, "MTI", "--try", "lan=0.2")
    assert (code, "has no argument 'lan'" in err) == (2, True)
