"""`load_from`: what comes along, what starts anew, what is refused, and what records, badges and guard know of it."""

import copy
import json

import pytest
import torch
from runs import train_in

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.engine.run import build_run
from tbpsbench.engine.start import weights_sha256
from tbpsbench.engine.trained import open_trained
from tbpsbench.errors import CheckpointError, ConfigError, LeakError, TBPSError
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.records.badges import SIMULATED_CAPTIONS, badges_of
from tbpsbench.records.identity import system_sha256
from tbpsbench.records.read import read_record
from tbpsbench.weights.checkpoint import KEY, save
from tbpsbench.weights.files import read_checkpoint, read_state_dict

ONE_EPOCH = ["schedule.max_epochs=1", "schedule.warmup_epochs=0"]
# Nobody of seed 1 is among the persons of seed 0.
FIRST = [*ONE_EPOCH, "data.dataset.seed=1", "data.captions=static-wrong10", "name=first"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("start")


@pytest.fixture
def first(kept, demo):
    """The folder of a system that was trained on simulated captions of other people; made once."""
    if not (kept / "first").exists():
        train_in(kept / "first", demo, *FIRST)
    return kept / "first"


@pytest.fixture
def second(kept, demo, first):
    """The folder of a run that started from it; made once."""
    if not (kept / "second").exists():
        train_in(kept / "second", demo, *ONE_EPOCH, f"load_from={first}", "name=second")
    return kept / "second"


def built(demo, *options, folder=None):
    return build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0", *ONE_EPOCH, *options]), folder=folder)


def changed(first, path, change):
    """A copy of a checkpoint with something changed."""
    content = copy.deepcopy(dict(read_checkpoint(first / "best.pth")))
    change(content)
    save(content, path)
    return path


def test_weights_are_those_of_the_system_and_it_says_so(demo, first):
    run = built(demo, f"load_from={first}")
    own = read_state_dict(first / "best.pth")
    assert all(torch.equal(value.cpu(), own[key]) for key, value in run.model.state_dict().items())
    assert f"{len(own)} tensors of 'first'" in run.notes[0]
    assert len(run.notes) == 1


def test_record_tells_the_start_and_keeps_its_badges(first, second):
    record, before = (read_record(folder / "record") for folder in (second, first))
    start = record["started_from"]
    assert (start["name"], start["seed"], start["trained_on"]) == ("first", 0, "MiniPEDES (tiny)")
    assert start["system_sha256"] == before["system_sha256"] == record["config"]["load_from"]["system"]
    assert start["checkpoint"] == before["checkpoint"]
    assert start["weights_sha256"] == weights_sha256(read_state_dict(first / "best.pth"))
    shown = next(source for source in start["data"]["sources"] if source["role"] == "training")
    assert shown == next(source for source in before["data"]["sources"] if source["role"] == "training")
    assert shown["notes"]["simulated"]
    assert not any(source["role"] == "training" for source in record["data"]["sources"])
    assert badges_of(record) == ["started from first", SIMULATED_CAPTIONS]


def test_record_with_a_start_verifies_and_one_that_hides_it_does_not(second, tmp_path):
    assert verify(second / "record").problems == []
    record = read_record(second / "record")
    (tmp_path / "ranks.npz").write_bytes((second / "record" / "ranks.npz").read_bytes())

    def problems(change):
        edited = copy.deepcopy(record)
        change(edited)
        (tmp_path / "record.json").write_text(json.dumps(edited))
        return " ".join(map(str, verify(tmp_path, data=None).problems))

    def training(edited):
        return next(s for s in edited["started_from"]["data"]["sources"] if s["role"] == "training")

    assert problems(lambda r: None) == ""
    assert "started_from: is missing" in problems(lambda r: r.pop("started_from"))
    assert "the config has no load_from" in problems(lambda r: r["config"].pop("load_from"))
    assert "config.load_from.system is" in problems(lambda r: r["started_from"].update(system_sha256="0" * 64))
    assert "what was trained on" in problems(lambda r: r["started_from"]["data"].update(sources=[]))
    assert "weights_sha256: is missing" in problems(lambda r: r["started_from"].pop("weights_sha256"))
    assert "names no model" in problems(lambda r: training(r)["made_from"]["captioner"].pop("models"))
    assert "error rates" in problems(lambda r: training(r)["notes"].update(simulated={}))


def test_checkpoint_contradicts_a_record_that_hides_its_start(second):
    record = read_record(second / "record")
    path = second / "record" / "record.json"
    text = path.read_text()
    try:
        path.write_text(json.dumps({**record, "started_from": {**record["started_from"], "trained_on": "nothing"}}))
        assert "started_from" in [problem.what for problem in verify(second / "record").problems]
    finally:
        path.write_text(text)


def test_resumed_run_does_not_need_the_start_and_takes_nothing_from_it(kept, demo, first, second, tmp_path):
    gone = [f"load_from={tmp_path / 'gone'}", "name=second"]
    run = built(demo, *gone, folder=second)
    assert run.notes == ()
    assert run.system.trained_on.start == read_record(second / "record")["started_from"]
    assert run.system.tokenizer.sha256 == read_record(second / "record")["data"]["tokenizer_sha256"]
    assert run.system.trained_on.texts.earlier[0].population == "MiniPEDES, seed 1"
    _, record = train_in(second, demo, *ONE_EPOCH, *gone)
    assert record["results"] == read_record(second / "record")["results"]
    other = changed(first, tmp_path / "other.pth", lambda c: c["state_dict"].update(more=torch.zeros(1)))
    with pytest.raises(CheckpointError, match="holds other weights than those of 'first'"):
        built(demo, f"load_from={other}", folder=second)


def test_run_from_scratch_cannot_be_resumed_as_one_with_a_start(demo, first):
    with pytest.raises(CheckpointError, match=r"other settings(?s:.)*load_from\.system"):
        train_in(first, demo, *FIRST, f"load_from={first}", resume="yes")


def test_missing_and_odd_tensors_are_listed_and_losses_start_anew(demo, first, tmp_path):
    def break_(content):
        weights = content["state_dict"]
        weights.pop("heads.global.image.weight", None)
        key = next(key for key in weights if key.startswith("text_encoder") and weights[key].ndim == 2)
        weights[key] = weights[key][:1]

    broken = changed(first, tmp_path / "broken.pth", break_)
    with pytest.raises(CheckpointError, match=r"load_from: .*broken\.pth(?s:.)*of another shape:\s+text_encoder"):
        built(demo, f"load_from={broken}")
    more = changed(first, tmp_path / "more.pth", lambda c: c["state_dict"].update({"old.head": torch.zeros(2)}))
    notes = " ".join(built(demo, f"load_from={more}", "model.losses.id=dict(type='CMPM')").notes)
    assert "not used: old.head" in notes


def test_learnt_parts_of_losses_start_anew_and_are_logged(demo, first):
    notes = built(demo, f"load_from={first}", "model.losses.more=dict(type='InfoNCE', learnable=True)").notes
    assert any("starts anew: losses.more" in note for note in notes)


def test_another_tokenizer_is_refused(demo, first):
    tokenizer = "data.tokenizer=dict(type='WordPiece', vocab_size=300, max_length=48)"
    with pytest.raises(ConfigError, match=r"data\.tokenizer: is WordPiece, but .*was trained with CLIPBPE"):
        built(demo, f"load_from={first}", tokenizer)


def test_learnt_vocabulary_is_the_systems(demo, first, kept):
    bert = [
        "data.tokenizer=dict(type='WordPiece', vocab_size=300, max_length=48)",
        "model.text_encoder=dict(type='BERT', arch=dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, "
        "intermediate_size=32, max_position_embeddings=48), vocab_size='from_data:vocab_size', pooling='mean')",
    ]
    _, before = train_in(kept / "words", demo, *FIRST, *bert)
    other = built(demo, *bert).system.tokenizer
    run = built(demo, f"load_from={kept / 'words'}", *bert)
    assert run.system.tokenizer.sha256 == before["data"]["tokenizer_sha256"] != other.sha256
    shorter = bert[0].replace("max_length=48", "max_length=40")
    assert built(demo, f"load_from={kept / 'words'}", bert[1], shorter).system.tokenizer.max_length == 40


def test_guard_knows_the_texts_of_the_start(demo, first, second, tmp_path):
    """Seed 1, with the test persons of seed 1 among those that the start is said to have seen."""
    trained = read_checkpoint(second / "best.pth")[KEY]["trained_on"]
    everybody = {**trained["texts"]["earlier"][0], "pids": list(range(100))}

    def seen(content):
        texts = {**trained["texts"], "earlier": [everybody]}
        content[KEY] = {**content[KEY], "trained_on": {**trained, "texts": texts}}

    path = changed(second, tmp_path / "seen.pth", seen)
    with pytest.raises(LeakError, match="training text describes a test identity"):
        train_in(tmp_path / "third", demo, *ONE_EPOCH, f"load_from={path}", "data.dataset.seed=1")


def test_system_is_told_by_what_its_start_is_and_not_by_where_it_lies(first, second):
    config = read_record(second / "record")["config"]
    start = config["load_from"]
    moved = {**config, "load_from": {**start, "file": "elsewhere"}}
    assert system_sha256(moved) == system_sha256(config)
    assert system_sha256({**config, "load_from": {**start, "system": "0" * 64}}) != system_sha256(config)
    scratch = {key: value for key, value in config.items() if key != "load_from"}
    assert system_sha256(scratch) != system_sha256(config)


@pytest.mark.parametrize(
    "wrong", ["3", "''", "dict(system='x')", "dict(file='a', epoch=3)", "dict(file='a', system='b')"]
)
def test_wrong_key_is_found_by_the_static_check(demo, wrong):
    found = check(load_config(demo[0], [*demo[2:], f"load_from={wrong}"]))
    assert [problem.path for problem in found] == ["load_from"]


def test_wrong_file_or_system_is_named(demo, first, tmp_path):
    with pytest.raises(CheckpointError, match=r"load_from: .*nowhere: no such file or folder"):
        built(demo, f"load_from={tmp_path / 'nowhere'}")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "alone.pth")
    with pytest.raises(TBPSError, match=r"load_from: .*holds weights alone"):
        built(demo, f"load_from={tmp_path / 'alone.pth'}")
    wanted = {"file": str(first), "system": "0" * 64}
    with pytest.raises(ConfigError, match=r"load_from\.system: is 0{64}, but in .*'first'"):
        built(demo, f"load_from={wanted!r}")


def test_started_system_is_opened_and_tested_like_any_other(second):
    trained = open_trained(second, second / "config.py")
    assert trained.settings.load_from["system"] == trained.system.trained_on.start["system_sha256"]
    assert trained.notes == ()


def test_what_counts_a_training_starts_anew(demo, first, tmp_path):
    """A ramp over the first steps, the losses that a balancer compares with."""
    parts = [
        "model.losses={'itc': dict(type='InfoNCE'), 'nitc': dict(type='NITC', ramp_steps=10)}",
        "model.balancer=dict(type='Uncertainty')",
    ]
    train_in(tmp_path / "counted", demo, *FIRST, *parts, "name=counted")
    kept = read_state_dict(tmp_path / "counted" / "best.pth")
    assert kept["losses.nitc.seen"] > 0
    model = built(demo, *parts, f"load_from={tmp_path / 'counted'}").model
    state = model.state_dict()
    assert state["losses.nitc.seen"] == 0
    learnt = [key for key in state if key.startswith("balancer.")]
    assert any(kept[key].any() for key in learnt)
    assert not any(state[key].any() for key in learnt)
    same = [key for key in state if key.startswith("image_encoder.")]
    assert all(torch.equal(state[key].cpu(), kept[key]) for key in same)
