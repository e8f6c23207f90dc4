"""One part of each kind from a plug-in, as docs/plugins.md prints them: checked, trained, resumed, saved, loaded."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from guide_parts import guide_files
from runs import assert_equal

from tbpsbench import load_system, testing
from tbpsbench.config.load import load_config
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training, train
from tbpsbench.engine.trained import open_trained
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.errors import ConfigError
from tbpsbench.protocols.base import BEFORE
from tbpsbench.registry import HOOKS, LOSSES, MODELS, OPTIMIZERS, TEXT_TRANSFORMS
from tbpsbench.types import Features
from tbpsbench.weights.files import read_checkpoint

GUIDE = Path("docs/plugins.md").read_text()
FILES = guide_files()


@pytest.fixture
def watch():
    """A hook that keeps the weights after each step, and can break a run off at the start of an epoch."""

    @HOOKS.register("Watch")
    class Watch(Hook):
        seen: list[dict[str, torch.Tensor]] = []  # noqa: RUF012
        stop: int | None = None

        def before_epoch(self, state):
            if state.epoch == Watch.stop:
                raise KeyboardInterrupt

        def after_step(self, state):
            Watch.seen.append({name: weight.detach().clone() for name, weight in state.model.named_parameters()})

    yield Watch
    HOOKS.remove("Watch")


def go(config, folder, options):
    """Train as tools/train.py does; returns the run's Training."""
    workdir = WorkDir(folder, resume="auto")
    try:
        training = Training(build_run(load_config(config, options)), workdir)
        training.outcome = training.train()
    finally:
        workdir.release()
    return training


def test_the_guide_has_one_of_each():
    texts = "".join(FILES.values())
    slots = "HEADS LOSSES RERANKERS PROTOCOLS IMAGE_ENCODERS TEXT_TRANSFORMS OPTIMIZERS SCHEDULES HOOKS MODELS"
    assert [slot for slot in slots.split() if f"@{slot}.register(" not in texts] == []
    public = GUIDE.split("## Public modules")[1]
    used = set(re.findall(r"^from (tbpsbench\.[\w.]+) import", texts, re.M))
    assert {name for name in used if not name.endswith(".base")} <= set(re.findall(r"`(tbpsbench\.[\w.]+)`", public))


def test_parts_keep_the_contracts_of_their_slots(parts):
    testing.check_head({"type": "WordHead"})
    testing.check_loss({"type": "PairLoss"})
    testing.check_encoder({"type": "SmallCNN"}, "IMAGE_ENCODERS")
    testing.check_text_transform({"type": "Beginning"})
    testing.check_reranker({"type": "AskPairs", "k": 3}, {"pairs": {"type": "PairLoss"}})
    testing.check_protocol({"type": "other-camera"})
    testing.check_optimizer({"type": "Lion", "lr": 0.01, "weight_decay": 0.1})
    testing.check_schedule({"type": "Poly"})
    testing.check_model({"type": "BagModel", "vocab_size": 50})


def test_optimiser_of_the_guide_follows_its_paper(parts):
    weight, gradients = torch.nn.Parameter(torch.tensor([1.0, -2.0])), ([0.5, -1.0], [-2.0, -0.1], [0.3, 3.0])
    lion = OPTIMIZERS.get("Lion")([weight], lr=0.1, betas=(0.9, 0.5), weight_decay=0.2)
    expected, mean = np.array([1.0, -2.0]), np.zeros(2)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        lion.step()
        expected = expected * (1 - 0.1 * 0.2) - 0.1 * np.sign(0.9 * mean + 0.1 * np.array(gradient))
        mean = 0.5 * mean + 0.5 * np.array(gradient)
    assert weight.detach().numpy() == pytest.approx(expected)


def test_text_transform_of_the_guide_keeps_the_beginning(parts):
    beginning = TEXT_TRANSFORMS.get("Beginning")(least=2)
    made = {beginning.rewrite("a man in a red coat", {}, np.random.default_rng(seed)) for seed in range(50)}
    assert made == {" ".join(["a", "man", "in", "a", "red", "coat"][:count]) for count in range(2, 7)}


def test_loss_of_the_guide_reads_the_attribute_of_each_image(parts, options):
    run = build_run(load_config(parts / "config.py", options))
    batch, annotated = next(iter(run.training.loader)), run.evaluation.annotations.split("train")
    records = {record.image_id: record for record in annotated}
    gaits = sorted({record.attributes["gait"] for record in records.values()})
    shown = [gaits.index(records[image].attributes["gait"]) for image in batch.image_id_B.tolist()]
    assert batch.extras["gait"].tolist() == shown
    loss = LOSSES.get("Attribute")({"image.pooled": 5}, len(gaits), "extras.gait")
    features = Features({"image.pooled": torch.randn(len(shown), 5), "extras.gait": batch.extras["gait"]})
    logits_BC = loss.classify(features["image.pooled"])
    expected = [logits_C.logsumexp(0) - logits_C[gait] for logits_C, gait in zip(logits_BC, shown, strict=True)]
    torch.testing.assert_close(loss(features, batch).value, torch.stack(expected).mean())


def test_parts_train_together_and_are_evaluated_submitted_saved_and_loaded(parts, options, mini, tool, tmp_path):
    record = train(parts / "config.py", tmp_path / "run", options)
    used = [plugin["used"] for plugin in record["plugins"] if plugin["name"] == "my-parts"]
    assert used == [True]
    assert (record["config"]["optimizer"]["type"], record["config"]["schedule"]["power"]) == ("Lion", 0.9)
    assert "gamma" not in record["config"]["schedule"]
    assert record["config"]["data"]["text_transforms"] == [{"type": "Beginning", "least": 3}]
    assert record["config"]["model"]["losses"]["gait"]["classes"] == "from_data:num_gait"
    trained = read_checkpoint(tmp_path / "run" / "last.pth")["state_dict"]
    assert trained["losses.gait.classify.weight"].shape[0] > 1
    names = ["standard", f"standard{BEFORE}", "other-camera", f"other-camera{BEFORE}"]
    assert list(record["results"]) == names

    system = load_system(tmp_path / "run")
    again = load_system(system.save(tmp_path / "saved"))
    assert again.fingerprint == system.fingerprint
    assert tool("leaderboard", "submit", tmp_path / "run" / "record", "--records", tmp_path / "records")[::2] == (0, "")
    pictures = sorted(Path(mini).rglob("*.png"))[:3]
    score = again.similarity(["a man in red", "a woman in a long blue coat"], pictures)
    assert score.shape == (2, 3)
    word_head, texts = again.model.heads["words"], again.encode_text(["a woman in a long blue coat"])
    images = again.encode_images(pictures)
    words, patches = texts.heads["words"], images.heads["words"]
    cosines = words.values[0][words.mask[0]] @ patches.values[1].T
    alone = word_head.score(words, patches)[0, 1]
    torch.testing.assert_close(alone, cosines.max(dim=1).values.mean())


def test_other_camera_equals_the_built_in_protocol_and_the_reranker_moves_only_the_best(parts, options):
    run = build_run(load_config(parts / "config.py", options))
    section = run.settings.evaluation
    section = type(section)(**{**vars(section), "protocols": ("other-camera", "camera-filtered")})
    found = evaluate(run.model, run.evaluation, "test", section)
    assert found.results["other-camera"].ranks == found.results["camera-filtered"].ranks
    before, after = found.results[f"other-camera{BEFORE}"].ranks, found.results["other-camera"].ranks
    assert before != after
    moved = before.ranks != after.ranks
    assert (np.maximum(before.ranks, after.ranks)[moved] < 5 + 1).all()
    assert found.rerank_cost["other-camera"]["pairs"] > 0


def test_average_is_what_is_evaluated_and_a_resumed_run_equals_an_uninterrupted_one(
    parts, options, watch, tmp_path, monkeypatch
):
    options = [*options, "hooks.watch.type=Watch", "evaluation.rerank=[]"]
    go(parts / "config.py", tmp_path / "whole", options)
    steps, last = watch.seen[:], read_checkpoint(tmp_path / "whole" / "last.pth")
    mean = steps[0]
    for weights in steps[1:]:
        mean = {name: weights[name] + 0.9 * (mean[name] - weights[name]) for name in mean}
    for name, value in mean.items():
        torch.testing.assert_close(last["state_dict"][name], value, rtol=1e-4, atol=1e-6)
        assert torch.equal(last["tbpsbench"]["hooks"]["ema"]["trained"][name], steps[-1][name])
    plain = build_run(load_config(parts / "config.py", [*options, "hooks=dict()"])).model
    assert list(last["state_dict"]) == list(plain.state_dict())
    best = read_checkpoint(tmp_path / "whole" / "best.pth")["state_dict"]
    assert_equal(dict(load_system(tmp_path / "whole").model.state_dict()), best, "best")

    monkeypatch.setattr(watch, "stop", 1)
    with pytest.raises(KeyboardInterrupt):
        go(parts / "config.py", tmp_path / "broken", options)
    assert read_checkpoint(tmp_path / "broken" / "last.pth")["meta"]["epoch"] == 1
    monkeypatch.setattr(watch, "stop", None)
    go(parts / "config.py", tmp_path / "broken", options)
    other = read_checkpoint(tmp_path / "broken" / "last.pth")
    for part in ("state_dict", "optimizer", "meta"):
        assert_equal(last[part], other[part], part)
    assert_equal(last["tbpsbench"]["hooks"], other["tbpsbench"]["hooks"], "hooks")
    assert {"mean"} == set(last["optimizer"]["state"][0])


def test_teacher_is_asked_and_neither_saved_nor_needed_later(parts, options, tmp_path):
    heads = "model.heads=dict(words=None)", "model.losses=dict(itc=dict(type='InfoNCE'))", "evaluation.rerank=[]"
    options = [
        *options,
        *heads,
        "schedule.max_epochs=1",
        "model.heads={'global': dict(type='GlobalHead', embed_dim=8)}",
    ]
    train(parts / "config.py", tmp_path / "teacher", options)
    (tmp_path / "teacher" / "best.pth").rename(tmp_path / "teacher.pth")
    distil = f"model.losses.distil=dict(type='Distil', pretrained={str(tmp_path / 'teacher.pth')!r})"
    training = go(parts / "config.py", tmp_path / "student", [*options, distil, "seed=1"])
    (teacher,) = training.run.model.losses["distil"].teacher
    assert_equal(dict(teacher.state_dict()), read_checkpoint(tmp_path / "teacher.pth")["state_dict"], "teacher")
    assert set(read_checkpoint(tmp_path / "student" / "last.pth")["state_dict"]) == set(teacher.state_dict())
    (tmp_path / "teacher.pth").unlink()
    assert not load_system(tmp_path / "student").model.losses["distil"].teacher
    # Who agrees with the teacher has nothing to learn from it; who does not, has.
    batch = next(iter(training.run.training.loader))
    loss, student = training.run.model.losses["distil"], training.run.model.eval()
    with torch.no_grad():
        same, other = (loss(model.extract(batch), batch).value for model in (teacher, student))
    assert same == pytest.approx(0, abs=1e-5)
    assert other > 1e-4


def test_model_of_a_plug_in_trains_is_resumed_saved_and_evaluated(parts, options, tool, monkeypatch, tmp_path):
    options = [option for option in options if not option.startswith("model.")]
    record = train(parts / "bag.py", tmp_path / "run", options)
    assert record["config"]["model"] == {"type": "BagModel", "vocab_size": "from_data:vocab_size"}
    system = load_system(tmp_path / "run")
    again = load_system(system.save(tmp_path / "saved"))
    assert again.fingerprint == system.fingerprint
    assert "BagModel" in (tmp_path / "saved" / "README.md").read_text()
    assert "image encoder" not in (tmp_path / "saved" / "README.md").read_text()
    trained = open_trained(tmp_path / "saved")
    found = evaluate(trained.system.model, trained.data, "test", trained.settings.evaluation, system.trained_on.texts)
    assert found.results["standard"].scores == record["results"]["standard"]["scores"]
    longer = go(parts / "bag.py", tmp_path / "run", options)
    assert longer.outcome["results"] == record["results"]
    assert tool("leaderboard", "submit", tmp_path / "run" / "record", "--records", tmp_path / "records")[::2] == (0, "")
    code, out, _ = tool("explain", parts / "bag.py", "--only", "model")
    assert code == 0
    assert re.search(r"model\.vocab_size +'from_data:vocab_size' .*bag\.py", out), out
    monkeypatch.delitem(MODELS._entries, "BagModel")
    with pytest.raises(ConfigError, match="no model is called 'BagModel'"):
        load_system(tmp_path / "saved")
