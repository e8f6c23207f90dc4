import numpy as np
import pytest
import torch
from PIL import Image

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.engine import embed
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError, DataError

TOKENS = ["model.heads=dict(tokens=dict(type='TokenHead', embed_dim=8))", "model.losses=dict(itc=dict(type='MaxSim'))"]


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "far" / "away").mkdir(parents=True)
    for number in range(20):
        pixels = generator.integers(0, 256, (48, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "far" / ("away" if number % 2 else ".") / f"{number}.png")
    (tmp_path / "far" / "notes.txt").write_text("no picture")
    return tmp_path / "far"


def found(run, **section):
    settings = run.settings.evaluation
    changed = {"protocols": ("standard", "distractors"), **section}
    return evaluate(run.model, run.evaluation, "test", type(settings)(**{**vars(settings), **changed}))


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("part", [4, 8192])
def test_distractors_only_push_back(demo, folder, tokens, part, monkeypatch):
    monkeypatch.setattr(embed, "PART_ROWS", part)
    config, _, *overrides = demo
    options = [o for o in overrides if not (tokens and o.startswith("model.heads"))]
    run = build_run(load_config(config, [*options, *(TOKENS if tokens else [])]))
    results = found(run, distractors=str(folder), batch_size=3).results
    plain, among = results["standard"], results["distractors"]
    assert among.gallery == plain.gallery + 20
    assert (among.ranks.gallery_size == plain.ranks.gallery_size + 20).all()
    pushed = among.ranks.ranks - plain.ranks.ranks
    assert pushed.min() >= 0
    assert pushed.max() <= 20
    run.model.eval()
    with torch.no_grad():
        pictures = torch.stack([run.evaluation.preprocess(path) for path in sorted(folder.rglob("*.png"))])
        others = run.model.encode_gallery(pictures)
        texts = run.model.encode_query(next(run.evaluation.queries("test").batches(1000)).texts["query"])
        images = run.model.encode_gallery(next(run.evaluation.gallery("test").batches(1000)).image_B3HW)
        best = run.model.score(texts, images), run.model.score(texts, others)
    pids = np.array([record.pid for record in run.evaluation.gallery("test").records])
    match = torch.from_numpy(run.evaluation.queries("test").pids[:, None] == pids)
    first = best[0].masked_fill(~match, -9).amax(dim=1)
    expected = (best[1] >= first[:, None]).sum(dim=1).numpy()
    assert np.mean(pushed[plain.ranks.offsets[:-1]] != expected) < 0.05  # the same sums in another order


def test_what_distractors_need_is_said(demo, tmp_path):
    config, _, *overrides = demo
    run = build_run(load_config(config, overrides))
    with pytest.raises(ConfigError, match=r"set evaluation\.distractors=/path/to/folder"):
        found(run)
    with pytest.raises(DataError, match="no such folder of pictures"):
        found(run, distractors=str(tmp_path / "gone"))
    with pytest.raises(DataError, match="no picture in this folder"):
        found(run, distractors=str(tmp_path))


def test_a_record_says_how_many_distractors_there_were_and_verifies(tool, demo, folder, tmp_path):
    from tbpsbench.reading import read_json

    config, _, *overrides = demo
    options = [*overrides, "schedule.max_epochs=1", "evaluation.protocols=('standard', 'distractors')"]
    options.append(f"evaluation.distractors={folder}")
    assert tool("train", config, "--work-dir", tmp_path / "run", "--cfg-options", *options)[0] == 0
    record = read_json(tmp_path / "run" / "record" / "record.json")
    assert record["protocol"]["distractors"]["images"] == 20
    assert record["results"]["distractors"]["gallery"] == record["results"]["standard"]["gallery"] + 20
    code, out, _ = tool("leaderboard", "verify", tmp_path / "run" / "record", "-v")
    assert code == 0, out


@pytest.mark.parametrize("other", ["rerank=[dict(type='QueryExpansion')]", "interactor=dict(type='MTI')"])
def test_what_would_not_touch_them_is_refused(demo, folder, other):
    """Else a result would stand in a track that it has nothing to do with."""
    config, _, *overrides = demo
    options = [*overrides, f"evaluation.distractors={str(folder)!r}", "evaluation.protocols=('distractors',)"]
    found = check(load_config(config, [*options, f"evaluation.{other}"]))
    assert [problem.path for problem in found] == [f"evaluation.{other.partition('=')[0]}"]
    assert check(load_config(config, options)) == []


def test_an_evaluation_without_metrics_is_refused(demo):
    config, _, *overrides = demo
    (problem,) = check(load_config(config, [*overrides, "evaluation.metrics=[]"]))
    assert problem.path == "evaluation.metrics"
