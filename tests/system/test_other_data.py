"""A trained system looked at with other data, and one whose training data nobody knows: the leak guard, the records."""

import csv

import pytest
import torch

from tbpsbench import load_system
from tbpsbench.annotations import read_annotations
from tbpsbench.config.flat import canonical
from tbpsbench.config.load import load_config
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.engine.run import build_run
from tbpsbench.weights.checkpoint import KEY

from .test_system import record


@pytest.fixture
def stranger(trained, tmp_path):
    """A checkpoint that does not say what it was trained on, as released weights do not."""
    content = torch.load(trained("wordpiece") / "best.pth", weights_only=True)
    content[KEY] = {**content[KEY], "trained_on": None}
    torch.save(content, tmp_path / "stranger.pth")
    return tmp_path / "stranger.pth"


def test_a_config_names_the_data_and_the_system_stays_what_it_is(trained, tool, mini, tmp_path):
    run = trained("wordpiece")
    config = tmp_path / "indoor.py"
    config.write_text(f"_base_ = {str(run / 'config.py')!r}\ndata = dict(dataset=dict(domain='indoor'))\n")
    code, out, err = tool("test", config, run / "best.pth", "--out", tmp_path / "indoor")
    assert code == 0, out + err
    found, own = record(tmp_path / "indoor"), record(run / "record")
    assert (found["system_sha256"], found["name"]) == (own["system_sha256"], own["name"])
    assert found["spec"]["trained_on"] == own["spec"]["data"]
    assert found["spec"]["data"] != own["spec"]["data"]


def write_csv(root, mini, training):
    """The test split of a MiniPEDES as a CSV file, with captions of our own, and other training rows before it."""
    drawn = read_annotations(mini / "tiny-0" / "human.jsonl")
    root.mkdir()
    (root / "images").symlink_to(drawn.image_root)
    rows = [("file", "pid", "split", "caption")]
    for image, text in zip(drawn.split("train"), training, strict=False):
        rows.append((image.file, image.pid, "train", text))
    for image in drawn.split("test"):
        rows += [(image.file, image.pid, "test", caption.text) for caption in image.captions]
    with (root / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


@pytest.mark.parametrize("kind", ["wordpiece", "irra"])
def test_scores_on_a_csv_data_set_do_not_depend_on_its_training_captions(trained, tool, mini, tmp_path, kind):
    run, records = trained(kind), {}
    for name, training in (("few", ["a man"]), ("other", ["zq xv red", "qz", "vx zq", "qq jeans"] * 9)):
        write_csv(tmp_path / name, mini, training)
        dataset = f"dict(_delete_=True, type='CSVDataset', root={str(tmp_path / name)!r}, file='mine.csv')"
        (tmp_path / f"{name}.py").write_text(
            f"_base_ = {str(run / 'config.py')!r}\ndata = dict(dataset={dataset})\n"
            "evaluation = dict(protocols=('standard',))\n"
        )
        arguments = ["test", tmp_path / f"{name}.py", run / "best.pth", "--out", tmp_path / f"{name}-record"]
        code, out, err = tool(*arguments)
        assert code == 0, out + err
        records[name] = record(tmp_path / f"{name}-record")
    few, other, own = *records.values(), record(run / "record")
    assert few["results"] == other["results"]
    assert few["data"]["counts"]["train"]["ids"] != other["data"]["counts"]["train"]["ids"]
    assert few["data"]["tokenizer_sha256"] == other["data"]["tokenizer_sha256"] == own["data"]["tokenizer_sha256"]
    for found in records.values():
        assert (found["spec"]["trained_on"], found["spec"]["data"]) == (own["spec"]["data"], "mine (CSV)")
        assert found["name"] == own["name"]
        assert all(found["config"][section] == own["config"][section] for section in ("data", "model"))
    # The same pictures and test captions as the run's own data, so the same scores.
    assert few["results"]["standard"] == own["results"]["standard"]


def test_a_config_may_name_the_data_alone(trained, tool, mini, tmp_path):
    run = trained("wordpiece")
    write_csv(tmp_path / "own", mini, ["a man"])
    config = tmp_path / "own.py"
    config.write_text(
        f"data = dict(dataset=dict(type='CSVDataset', root={str(tmp_path / 'own')!r}, file='mine.csv'))\n"
        "evaluation = dict(protocols=('standard',))\n"
    )
    code, out, err = tool("test", config, run / "best.pth", "--out", tmp_path / "record")
    assert code == 0, out + err
    assert "from the checkpoint, not from" not in out
    assert record(tmp_path / "record")["results"]["standard"] == record(run / "record")["results"]["standard"]
    for text, message in (
        ("dat = dict(dataset=dict(type='MiniPEDES'))", "a config has no section 'dat'"),
        ("data = dict(datset=dict(type='MiniPEDES'))", "Did you mean 'dataset'?"),
        ("data = 3", "data is a dict, got 3"),
        ("evaluation = dict(tise='stable')", "Did you mean 'ties'?"),
        ("entries = []", "this is a suite"),
    ):
        config.write_text(text)
        code, _, err = tool("test", config, run / "best.pth")
        assert code == 2
        assert message in err
        assert "Traceback" not in err


@pytest.mark.parametrize("kind", ["wordpiece", "irra"])
def test_a_classifier_for_other_identities_does_not_stand_in_the_way(trained, tool, tmp_path, kind):
    run = trained(kind)
    root = tmp_path / "drawn"
    options = [f"data.dataset.root={root}", "data.dataset.size=large", "data.dataset.identities=10"]
    code, out, err = tool("test", run / "config.py", run, "--cfg-options", *options, "data.dataset.seed=3")
    assert code == 0, out + err
    assert "MiniPEDES" in out


def test_a_config_of_a_run_has_the_runs_name(trained, tmp_path):
    run = trained("wordpiece")
    again = build_run(load_config(run / "config.py"))
    assert again.name == record(run / "record")["name"] == "two-tower_mini-pedes"
    assert canonical(again.system.config) == canonical(load_system(run / "best.pth").config)
    (tmp_path / "config.py").write_bytes((run / "config.py").read_bytes())
    assert load_config(tmp_path / "config.py").name == "config"
    (tmp_path / "mine.py").write_text(f"_base_ = {str(run / 'config.py')!r}\n")
    assert load_config(tmp_path / "mine.py").name == "mine"


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("data.mean=(0.1, 0.1, 0.1)", "data.mean"),
        ("data.std=(0.1, 0.1, 0.1)", "data.std"),
        ("data.size=(96, 48)", "data.size"),
        ("data.interpolation=bicubic", "data.interpolation"),
        ("data.tokenizer=dict(type='CLIPBPE', context_length=99)", "data.tokenizer.type"),
        ("data.tokenizer.max_length=24", "data.tokenizer.max_length"),
    ],
)
def test_what_a_config_says_otherwise_than_the_checkpoint_is_named_and_not_used(trained, tool, override, key):
    run = trained("wordpiece")
    code, own, err = tool("test", run)
    assert code == 0, err
    code, out, err = tool("test", run / "config.py", run, "--cfg-options", override)
    assert code == 0, err
    note, _, table = out.partition("\n")
    assert note.startswith("from the checkpoint, not from")
    assert key in note
    assert scores(table) == scores(own)


def scores(table):
    """The lines of a printed record but for those that say when and where."""
    return [line for line in table.splitlines() if "%" in line or "R@1" in line]


def test_people_of_one_minipedes_are_known_in_any_size(trained, mini):
    known = load_system(trained("wordpiece")).trained_on.texts
    assert known.population == MiniPEDES(str(mini), size="default", domain="indoor").population
    assert known.population != MiniPEDES(str(mini), size="tiny", seed=1).population


def test_a_stranger_is_guarded_by_the_data_that_its_config_names(stranger, tool, tmp_path):
    assert load_system(stranger).trained_on is None
    code, out, err = tool("test", stranger, "--out", tmp_path / "record")
    assert code == 0, out + err
    train = ["test", stranger, "--split", "train", "--cfg-options", "evaluation.protocols=['standard']"]
    code, _, err = tool(*train)
    assert code == 2
    assert "leak" in err.lower()
    code, out, err = tool(*train, "--allow-leak")
    assert code == 0, out + err


def test_the_record_of_a_saved_folder_is_rescored(trained, tool, mini, tmp_path):
    folder = load_system(trained("wordpiece")).save(tmp_path / "passed-on")
    code, _, err = tool("test", folder, "--out", tmp_path / "record")
    assert code == 0, err
    named = ["--checkpoint", folder, "--data", mini]
    code, out, err = tool("leaderboard", "verify", "-v", tmp_path / "record", "--rescore", *named)
    assert code == 0, out + err
    assert "every one is the same" in out
