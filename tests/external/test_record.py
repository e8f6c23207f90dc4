"""Records of numbers from elsewhere: what verify finds in edited ones, and how they are told from ours."""

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.config.flat import fingerprint
from tbpsbench.files import write_json
from tbpsbench.leaderboard.doctor.doctor import doctor
from tbpsbench.leaderboard.render.rows import rows_of
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.reading import read_json
from tbpsbench.records.badges import badges_of
from tbpsbench.records.identity import system_sha256
from tbpsbench.records.schema import schema_problems

from ..leaderboard.factory import imagine, make, read
from .test_score import answers, save


@pytest.fixture
def imagined(tmp_path):
    return imagine(tmp_path / "data", identities=9)


@pytest.fixture
def scored(tool, imagined, tmp_path):
    """Score features, similarities or answers: the record's folder."""
    records = read_annotations(imagined.human).split("test")
    asked = [(c.caption_id, r) for r in records for c in r.captions], records

    def run(kind, *options, name="X", seed=0):
        path = tmp_path / f"{kind}-{seed}.{'txt' if kind == 'answers' else 'npz'}"
        if kind == "answers":
            answers(path, asked, 5)
        else:
            save(path, asked, similarity=kind == "similarity", seed=seed)
        out = tmp_path / "records" / f"{name}-{kind}-{seed}"
        code, _, error = tool("score", "--dataset", "MiniPEDES", "--root", imagined.root, path, "--name", name,
                              "--out", out, "--seed", seed, *options)  # fmt: skip
        assert code == 0, error
        return out

    return run


def problems(folder):
    return verify(folder, data=None).problems


def changed(folder, change):
    record = read_json(folder / "record.json")
    change(record)
    record["config_sha256"] = fingerprint(record["config"])
    record["system_sha256"] = system_sha256(record["config"])
    write_json(folder / "record.json", record)
    return problems(folder)


@pytest.mark.parametrize("kind", ["features", "similarity", "answers"])
def test_untouched_they_have_no_problem_and_say_what_was_not_checked(kind, scored):
    folder = scored(kind)
    assert problems(folder) == []
    assert ("the model, its training, and how it was chosen", "made by other code, which left no record of it") in (
        verify(folder, data=None).unchecked
    )


EDITS = {
    "track": ("similarity", lambda r: r.update(track="dual-encoder"), "track"),
    "score": ("features", lambda r: r["results"]["standard"]["scores"].update(mAP=99.0), "results.standard.scores.mAP"),
    "measured": ("features", lambda r: r.update(status="measured"), "config.data.size"),
    "called-features": ("answers", lambda r: r["config"]["model"].update(given="features"), "track"),
    "longer-metrics": (
        "answers",
        lambda r: r["config"]["evaluation"].update(metrics=[{"type": "MeanAP"}]),
        "config.evaluation.metrics",
    ),
    "no-length": ("answers", lambda r: r["protocol"].pop("listed"), "protocol.listed"),
    "kind": ("features", lambda r: r["config"]["model"].update(given="guesses"), "config.model.given"),
    "selection": ("features", lambda r: r["selection"].update(rule="val"), "selection.rule"),
    "image-size": ("features", lambda r: r["protocol"].update(image_size=[384, 128]), "protocol.image_size"),
    "gallery": ("features", lambda r: r["results"]["standard"].update(gallery=28), "results.standard.gallery"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_edited_they_are_found_out(name, scored):
    kind, edit, what = EDITS[name]
    assert what in [problem.what for problem in changed(scored(kind), edit)]


def test_a_measured_record_may_not_lack_what_an_external_one_does(imagined, tmp_path):
    record = read(make(tmp_path / "run", imagined))
    assert schema_problems(record) == []
    assert badges_of(record) == []
    record["protocol"]["image_size"] = None
    assert [problem.what for problem in schema_problems(record)] == ["protocol.image_size"]


def test_seeds_of_one_name_are_one_row_with_the_badge(scored):
    folders = [scored("features", "--trained-on", "MiniPEDES", seed=seed) for seed in (0, 1)]
    records = [(str(folder), read_json(folder / "record.json")) for folder in folders]
    (row,) = rows_of(records)
    assert (row.status, row.badges, row.seeds, row.selection) == ("external", ("external",), (0, 1), "given")
    assert row.trained_on == row.data == "MiniPEDES"
    assert "peak_memory_host" not in row.cost


def test_doctor_asks_what_nobody_can_check(scored):
    said = doctor(scored("answers").parent).report()
    assert "external: made by other code" in said
    assert "answers do not show whether pairs, or other queries, were looked at" in said
    assert "nothing says what the model was trained on" in said
    assert "features collapsed" not in said
