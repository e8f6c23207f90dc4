"""MTI's arithmetic against the released functions of ICL and CONQUER (golden/MTI.md), setting by setting."""

from dataclasses import replace

import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.interaction.answers import released_answers
from tbpsbench.interaction.fusion import fused, ranks_of
from tbpsbench.interaction.rules import PRESETS
from tbpsbench.interaction.session import Session, fused_rows
from tbpsbench.interaction.state import Opening, openings
from tbpsbench.interaction.turns import Answered, Ask, Done, Judge, Judged, Merge, Refined
from tbpsbench.interaction.verdicts import says_yes
from tbpsbench.metrics.ranking import positive_ranks_from_scores, recall_at

CLEAR = 17  # replies of judge/text that any sound reader reads alike


class Setting:
    """One setting of a file: inputs, and what the released code made of them."""

    def __init__(self, golden, name):
        at = list(golden["settings"]).index(name)
        self.golden, self.name, self.problem = golden, name, str(golden["problem_of"][at])
        self.rules = replace(
            PRESETS["icl"], k=int(golden["rounds"][at]), lam=float(golden["lam"][at]), xi=float(golden["xi"][at])
        )
        self.captions, self.answers = self.of("captions"), self.of("answers")
        self.pids = self.of("query_pids"), self.of("gallery_pids")
        self.base_QG, self.refined_RQG = self._similarities()
        if name == "merge_unchanged":
            same_Q = golden[f"{name}/merged_same"]
            self.merged = np.where(same_Q, self.captions, self.of("merged"))
        else:
            self.merged = self.of("merged")

    def of(self, key):
        return self.golden[f"{self.problem}/{key}"]

    def out(self, key):
        return self.golden[f"{self.name}/{key}"]

    def _similarities(self):
        if self.problem != "dual":
            return self.of("base"), self.of("refined")
        sides = {}
        for side in ("query", "gallery", "merged"):
            raw = [self.of(f"{side}_{part}") for part in ("global", "local")]
            sides[side] = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in raw]
        base, refined = (
            sum(a @ b.T for a, b in zip(sides[side], sides["gallery"], strict=True)) / 2 for side in ("query", "merged")
        )
        return base.astype(np.float32), refined.astype(np.float32)

    def begun(self):
        """A session for each query; where equal scores may come in any order, in that of the released code."""
        opened = openings(self.base_QG, self.rules.k)
        if self.name == "ties_open":
            shown_KQ, order_QG = self.out("shown").astype(int), self.out("base_order").astype(int)
            asked_QK = np.where(shown_KQ >= 0, shown_KQ, order_QG[:, : self.rules.k].T).T
            opened = [
                Opening(tuple(shown.tolist()), tuple(base[shown].tolist()), float(base.min()), len(base))
                for shown, base in zip(asked_QK, self.base_QG, strict=True)
            ]
        return [Session(str(text), one, self.rules) for text, one in zip(self.captions, opened, strict=True)]

    def played(self):
        """Every session to its end: (sessions, what was asked and shown and called in each round)."""
        K, Q = self.rules.k, len(self.captions)
        decisions, shown, calls = self.out("decisions"), np.full((K, Q), -1), np.zeros((K, 3), int)
        asked, anchors, ends, inputs = np.zeros((K, Q), bool), np.full((K, Q), -1), [], {}
        for q, session in enumerate(self.begun()):
            number = -1
            while not isinstance(step := session.step(), Done):
                if isinstance(step, Judge):
                    number += 1
                    assert step.number == number
                    asked[number, q], shown[number, q] = True, step.image
                    turn = Judged(step.image, bool(decisions[number, q]))
                elif isinstance(step, Ask):
                    answers = released_answers(str(self.answers[step.image]))
                    asked_about = tuple(one.slot for one in step.questions)
                    turn = Answered(
                        asked_about, tuple(o.text for o in step.questions), tuple(answers), image=step.image
                    )
                else:
                    assert isinstance(step, Merge)
                    inputs[q] = "\n".join(step.texts)
                    turn = Refined(str(self.merged[q] if self.merged.ndim == 1 else self.merged[number, q]))
                calls[number, [Judged, Answered, Refined].index(type(turn))] += 1
                session = session.take(turn)
                anchors[number:, q] = session.state.anchor
            ends.append(session)
        return ends, {"asked": asked, "shown": shown, "calls": calls, "anchor_by_round": anchors, "inputs": inputs}

    def refined_rows(self, sessions):
        """Similarities of the refined queries: of the round in which each was accepted."""
        rounds = self.out("accepted_round")
        rows = np.array([self.refined_RQG[max(r, 0), q] for q, r in enumerate(rounds)])
        unchanged = np.array([s.state.refined in (None, s.query) for s in sessions])
        return np.where(unchanged[:, None], self.base_QG, rows)

    def after_round(self, sessions, number):
        """Scores after the candidate of a round was judged, and accepted if it was."""
        cut = []
        for session in sessions:
            judged = [n for n, turn in enumerate(session.turns) if isinstance(turn, Judged)]
            cut.append(session.at(judged[number + 1] if number + 1 < len(judged) else len(session.turns)))
        return fused_rows(cut, self.base_QG, self.refined_rows(cut))


def settings(golden):
    return [str(name) for name in golden["settings"]]


@each_golden("mti")
def test_golden_mti_walks_anchors_and_calls(path):
    golden = Golden(path)
    for name in settings(golden):
        setting = Setting(golden, name)
        sessions, seen = setting.played()
        for key in ("asked", "shown", "calls", "anchor_by_round"):
            assert np.array_equal(seen[key], setting.out(key)), (name, key)
        assert np.array_equal([s.state.anchor for s in sessions], setting.out("anchor")), name
        if f"{name}/merge_input" in golden:
            joined = [seen["inputs"].get(q, "") for q in range(len(sessions))]
            assert joined == setting.out("merge_input").tolist()


@each_golden("mti")
def test_golden_mti_similarities_ranks_and_scores(path):
    golden = Golden(path)
    for name in settings(golden):
        setting = Setting(golden, name)
        sessions, _ = setting.played()
        fused_QG = setting.after_round(sessions, setting.rules.k)
        assert np.abs(fused_QG - setting.out("fused")).max() <= 1e-6, name
        for number in range(2):
            if f"{name}/fused_round{number}" in golden:
                theirs = setting.out(f"fused_round{number}")
                assert np.abs(setting.after_round(sessions, number) - theirs).max() <= 1e-6
        if name == "dual":
            assert np.abs(setting.base_QG - setting.out("base")).max() <= 1e-6
        if name == "ties_open":  # in the order of the released code, where no rule of ours need agree
            for key, row in (("base_order", 0), ("order", 2)):
                placed_QG = -np.argsort(setting.out(key).astype(int), axis=1).astype(np.float32)
                theirs = setting.out("table")[-1, row]
                assert np.allclose(scores(placed_QG, *setting.pids), theirs, rtol=1e-6), key
            continue
        anchors = setting.out("anchor")
        own = [ranks_of(fused_QG[q], anchors[q]) if anchors[q] >= 0 else -1 for q in range(len(sessions))]
        assert np.array_equal(own, setting.out("anchor_rank")), name
        top = np.argsort(-fused_QG, axis=1, kind="stable")[:, :10]
        assert np.array_equal(top, setting.out("top10")), name
        before = setting.base_QG
        for number, theirs in enumerate(setting.out("table")):
            now = setting.after_round(sessions, number)
            ours = np.array([scores(s, *setting.pids) for s in (setting.base_QG, before, now)])
            assert np.allclose(ours, theirs, rtol=1e-6), (name, number)
            before = now
        ranks = positive_ranks_from_scores(fused_QG, *setting.pids)
        assert np.array_equal(ranks.ranks[ranks.offsets[:-1]] + 1, setting.out("first_rank")), name
        cmc = [100 * recall_at(ranks, [k])[k].mean() for k in range(1, 11)]
        assert np.allclose(cmc, setting.out("cmc"), rtol=1e-6), name


@each_golden("mti")
def test_golden_mti_first_yes_and_hard_anchor_follow_from_both_gates(path):
    """CTGI's walk over twenty candidates: its anchors are those of `k20_xi_low`, or else of the other."""
    golden = Golden(path)
    low, high = (Setting(golden, f"k20_xi_{which}") for which in ("low", "high"))
    if not np.array_equal(low.out("replies"), high.out("replies")):
        pytest.skip("the two settings of this file have other replies")
    rules = replace(PRESETS["ctgi"], k=low.rules.k, lam=low.rules.lam)
    anchors = np.where(low.out("anchor") >= 0, low.out("anchor"), high.out("anchor"))
    rounds = np.where(low.out("anchor") >= 0, low.out("accepted_round"), high.out("accepted_round"))
    theirs = np.where(low.out("anchor")[:, None] >= 0, low.out("fused"), high.out("fused"))
    soft, own = theirs.copy(), []
    for q, opened in enumerate(openings(low.base_QG, rules.k)):
        session, number = Session(str(low.captions[q]), opened, rules), -1
        while isinstance(step := session.step(), Judge):
            number += 1
            session = session.take(Judged(step.image, says_yes(str(low.out("replies")[number, q]))))
        own.append(session.state.anchor)
    assert np.array_equal(own, anchors)
    refined = np.array([low.refined_RQG[max(r, 0), q] for q, r in enumerate(rounds)])
    refined = np.where(anchors[:, None] >= 0, refined, low.base_QG)
    assert np.abs(fused(low.base_QG, refined, anchors, rules.lam, "soft") - soft).max() <= 1e-6
    found = np.flatnonzero(anchors >= 0)
    soft[found, anchors[found]] = 1.0
    hard = fused(low.base_QG, refined, anchors, rules.lam, "hard")
    assert np.abs(hard - soft).max() <= 1e-6
    assert (hard[found].argmax(axis=1) == anchors[found]).all()


@each_golden("mti")
def test_golden_mti_verdicts_and_answers(path):
    golden = Golden(path)
    for text, theirs in list(zip(golden["judge/text"], golden["judge/is_yes"], strict=True))[:CLEAR]:
        assert says_yes(str(text)) == theirs, text
    lines = iter(golden["parse/lines"])
    for answers, count in zip(golden["parse/answers"], golden["parse/count"], strict=True):
        assert released_answers(str(answers)) == [str(next(lines)) for _ in range(count)], answers


def scores(score_QG, query_pids, gallery_pids):
    """R1, R5, R10, mAP, mINP and the sum of the first three, in percent."""
    from tbpsbench.metrics.ranking import average_precision, inverse_negative_penalty

    ranks = positive_ranks_from_scores(score_QG, query_pids, gallery_pids)
    recalls = [100 * recall_at(ranks, [k])[k].mean() for k in (1, 5, 10)]
    return [*recalls, 100 * average_precision(ranks).mean(), 100 * inverse_negative_penalty(ranks).mean(), sum(recalls)]
