import pytest
import torch

from tbpsbench.config.load import load_config
from tbpsbench.engine.convert import convert_checkpoint
from tbpsbench.errors import CheckpointError, RegistryError
from tbpsbench.system_files import build_model
from tbpsbench.weights import convert

CLIP = "arch=dict(embed_dim=16, width=32, layers=1, heads=2"
SIZES = [
    f"model.image_encoder=dict(type='CLIPImage', img_size=(48, 24), pretrained='openai', {CLIP}, patch_size=8))",
    f"model.text_encoder=dict(type='CLIPText', {CLIP}, vocab_size=50, context_length=12))",
    "model.heads.global.embed_dim=16",
    "data.tokenizer=dict(type='CLIPBPE', context_length=12)",
]


def unchanged(state, model):
    return dict(state)


def anything(state):
    return True


@pytest.fixture
def known():
    """Names registered here are forgotten afterwards."""
    before = dict(convert._converters)
    yield
    convert._converters.clear()
    convert._converters.update(before)


@pytest.fixture
def released(known, tmp_path):
    """A config, and a file of a system that puts "old." before every name, half of it in float16."""

    @convert.converter("toy", detect=lambda state: all(key.startswith("old.") for key in state))
    def from_released(state, model):
        return {key.removeprefix("old."): value for key, value in state.items()}

    config = load_config("configs/mini/two-tower_mini-pedes.py", SIZES)
    model = build_model(config.values["model"], {}, (), {})
    weights = {f"old.{key}": value.half() for key, value in model.state_dict().items()}
    torch.save({"model": weights, "epoch": 3}, tmp_path / "released.pth")
    return config, tmp_path / "released.pth", weights


def test_released_checkpoint_becomes_one_of_ours(released, tmp_path):
    config, path, weights = released
    report = convert_checkpoint(config, path, tmp_path / "ours.pth")
    assert report.complete
    ours = torch.load(tmp_path / "ours.pth", weights_only=True)
    assert ours["tbpsbench"]["converted"]["converter"] == "toy"
    assert {f"old.{key}" for key in ours["state_dict"]} == set(weights)
    for key, value in ours["state_dict"].items():
        torch.testing.assert_close(value, weights[f"old.{key}"].to(value.dtype))


def test_a_key_without_a_place_is_named_and_nothing_written(released, tmp_path):
    config, path, weights = released
    torch.save({"model": weights | {"old.stray": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=r"1 unknown to the model:\s+stray"):
        convert_checkpoint(config, path, tmp_path / "ours.pth")
    assert not (tmp_path / "ours.pth").exists()
    report = convert_checkpoint(config, path, tmp_path / "ours.pth", partial=True)
    assert report.unexpected == ("stray",)
    assert (tmp_path / "ours.pth").exists()


def test_weights_that_nobody_knows_are_refused(released):
    with pytest.raises(CheckpointError, match=r"f.pth: no converter recognises these weights .*begin with: x"):
        convert.find_converter({"x": torch.zeros(1)}, "f.pth")


def test_weights_that_two_know_are_refused(released):
    convert.converter("greedy", detect=anything)(unchanged)
    with pytest.raises(CheckpointError, match=r"several converters recognise these weights \(greedy, toy\)"):
        convert.find_converter({"old.x": torch.zeros(1)}, "f.pth")


def test_only_the_plug_ins_of_the_config_are_asked(released):
    with pytest.raises(CheckpointError, match="no converter recognises"):
        convert.find_converter({"old.x": torch.zeros(1)}, "f.pth", ["another-plug-in"])


def test_a_name_is_taken_once(released):
    with pytest.raises(RegistryError, match="converter 'toy' is taken"):
        convert.converter("toy", detect=anything)(unchanged)


def test_tool_says_what_it_cannot_read(tool, tmp_path):
    code, _, err = tool(
        "convert_checkpoint", "configs/mini/two-tower_mini-pedes.py", tmp_path / "absent.pth", tmp_path / "out.pth"
    )
    assert code == 2
    assert "no such file" in err


def test_the_file_that_is_converted_is_not_overwritten(released, tmp_path):
    config, path, _ = released
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="is the file that is converted, and would be lost"):
        convert_checkpoint(config, path, path)
    with pytest.raises(CheckpointError, match=r"Give a name that ends in \.pth"):
        convert_checkpoint(config, path, tmp_path / "ours.safetensors")
    assert path.read_bytes() == before


def test_own_names_with_one_missing_are_our_own_and_what_is_made_up_is_the_same_each_time(released, tmp_path):
    config, path, weights = released
    own = {key.removeprefix("old."): value for key, value in weights.items()}
    gone = next(key for key in own if key.startswith("image_encoder."))
    torch.save({key: value for key, value in own.items() if key != gone}, path)
    with pytest.raises(CheckpointError, match=gone.replace(".", r"\.")):
        convert_checkpoint(config, path, tmp_path / "ours.pth")
    made = []
    for name in ("one.pth", "other.pth"):
        assert not convert_checkpoint(config, path, tmp_path / name, partial=True).complete
        made.append(torch.load(tmp_path / name, weights_only=True)["state_dict"][gone])
    assert torch.equal(*made)
