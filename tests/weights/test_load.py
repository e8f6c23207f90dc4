import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tbpsbench.errors import CheckpointError
from tbpsbench.weights.files import read_state_dict, weight_file
from tbpsbench.weights.load import load_into, matches_any


class WritesAFile:
    """Unpickling an instance would create the file `marker`."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def linear():
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


@pytest.fixture
def state():
    return {key: torch.randn_like(value) for key, value in linear().state_dict().items()}


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.safetensors"])
def test_every_suffix_is_read(tmp_path, state, name):
    save_file(state, tmp_path / name) if name.endswith("safetensors") else torch.save(state, tmp_path / name)
    loaded = read_state_dict(tmp_path / name)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_old_torch_format_is_read(tmp_path, state):
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_state_dict(tmp_path / "old.pth")["0.weight"], state["0.weight"])


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_wrapped_state_is_unwrapped(tmp_path, state, wrapper):
    torch.save({wrapper: state, "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == state.keys()


def test_data_parallel_prefix_is_stripped(tmp_path, state):
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == state.keys()


@pytest.mark.parametrize(
    "wrapped",
    ["_orig_mod.{0}", "_orig_mod.module.{0}", "module._orig_mod.{0}", "module.{1}._orig_mod.{2}", "{1}._orig_mod.{2}"],
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_compiled_and_parallel_modules_are_read_by_their_own_names(tmp_path, state, wrapped, name):
    written = {wrapped.format(key, *key.split(".")): value for key, value in state.items()}
    assert written.keys() & state.keys() == set()
    save_file(written, tmp_path / name) if name.endswith("safetensors") else torch.save(written, tmp_path / name)
    loaded = read_state_dict(tmp_path / name)
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    assert loaded.keys() == state.keys()


def test_what_torch_compile_saves_is_read(tmp_path):
    model = linear()
    model[1] = torch.compile(model[1])
    torch.save(torch.compile(model).state_dict(), tmp_path / "w.pth")
    assert "_orig_mod.1._orig_mod.weight" in torch.load(tmp_path / "w.pth")
    assert load_into(linear(), read_state_dict(tmp_path / "w.pth"), source="w").complete


def test_one_weight_under_two_names_is_refused(tmp_path, state):
    torch.save({**state, "_orig_mod.0.weight": state["0.weight"]}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"holds '0.weight' twice, once compiled \(_orig_mod\) and once not"):
        read_state_dict(tmp_path / "w.pth")


def test_folder_is_searched_for_its_weights(tmp_path, state):
    with pytest.raises(CheckpointError, match=r"holds none of .*pytorch_model\.bin"):
        weight_file(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert weight_file(tmp_path).name == "pytorch_model.bin"
    save_file(state, tmp_path / "model.safetensors")
    assert weight_file(tmp_path).name == "model.safetensors"


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, state, zipped):
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    torch.save({**state, "extra": WritesAFile(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"(?s)evil.pth.*mkdir.*would execute.*convert it once"):
        read_state_dict(path)
    assert not marker.exists()
    # the file is a working trap: a careless reader would have run it
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_code_in_a_plain_pickle_is_refused_and_not_run(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"x": WritesAFile(marker)}, protocol=2))
    with pytest.raises(CheckpointError, match="mkdir"):
        read_state_dict(path)
    assert not marker.exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("form", ["zip", "old", "safetensors"])
def test_truncated_file_is_refused(tmp_path, share, form):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    big = {"weight": torch.randn(4000)}
    if form == "safetensors":
        save_file(big, path)
    else:
        torch.save(big, path, _use_new_zipfile_serialization=form == "zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=f"{path.name}.*Download or copy it again"):
        read_state_dict(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="empty"):
        read_state_dict(tmp_path / name)


@pytest.mark.parametrize("text", ["hello world\n", "<!DOCTYPE html><html></html>", "{}"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_text_file_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(CheckpointError, match=name):
        read_state_dict(tmp_path / name)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such file or folder"):
        read_state_dict(tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("value", "message"),
    [([1, 2], "a list"), ({}, "an empty dict"), ({"a": 3}, "'a' holds a int"), (torch.ones(2), "a Tensor")],
)
def test_what_is_no_state_dict_is_refused(tmp_path, value, message):
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=message):
        read_state_dict(tmp_path / "w.pth")


def test_matching_state_is_loaded_whole(state):
    module = linear()
    report = load_into(module, state, source="here")
    assert report.complete
    assert set(report.loaded) == set(state)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_half_precision_is_cast_to_the_module(state):
    module = linear()
    load_into(module, {key: value.half() for key, value in state.items()}, source="here")
    assert module[0].weight.dtype == torch.float32
    assert torch.equal(module[0].weight, state["0.weight"].half().float())


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda value: value > 0, "here: the weights 0.bias are bool, the model's are real numbers"),
        (lambda value: (value * 100).to(torch.int8), "here: the weights 0.bias are int8"),
        (lambda value: value * torch.nan, "here: the weights 0.bias are not finite"),
        (lambda value: value / 0, "here: the weights 0.bias are not finite"),
        (lambda value: (value / 0).to(torch.float8_e5m2), "here: the weights 0.bias are not finite"),
    ],
)
@pytest.mark.parametrize("partial", [True, False])
def test_what_no_parameter_is_trained_to_is_refused(state, spoilt, message, partial):
    module, state["0.bias"] = linear(), spoilt(state["0.bias"])
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_into(module, state, source="here", partial=partial)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_buffers_may_hold_infinity_and_whole_numbers():
    module = nn.BatchNorm1d(2)
    state = {**module.state_dict(), "running_var": torch.tensor([torch.inf, 1]), "running_mean": torch.tensor([1, 2])}
    assert load_into(module, state, source="here").complete
    assert module.running_var[0] == torch.inf


def test_what_was_assumed_is_in_the_report(state):
    assert str(load_into(linear(), state, source="here", assumed=("a grid is ours",))).endswith("\n  a grid is ours")


def test_every_mismatch_is_listed_and_nothing_loaded(state):
    module = linear()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state["0.weight"] = torch.zeros(5, 3)
    state["surplus"] = torch.zeros(1)
    del state["1.bias"]
    with pytest.raises(CheckpointError) as caught:
        load_into(module, state, source="some.pth")
    message = str(caught.value)
    for part in ("some.pth", "1.bias", "surplus", "0.weight: [5, 3] in the file, [2, 3] in the model"):
        assert part in message
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_partial_loads_what_fits_and_reports_the_rest(state):
    module = linear()
    state["0.weight"] = torch.zeros(5, 3)
    del state["1.bias"]
    report = load_into(module, state, source="some.pth", partial=True)
    assert not report.complete
    assert report.missing == ("1.bias",)
    assert report.mismatched == (("0.weight", (5, 3), (2, 3)),)
    assert set(report.loaded) == {"0.bias", "1.weight"}
    assert torch.equal(module[1].weight, state["1.weight"])


def test_patterns_name_what_may_be_left_out(state):
    del state["1.bias"]
    state["head.weight"] = torch.zeros(1)
    report = load_into(linear(), state, source="x", allow_missing=("*.bias",), allow_unexpected=("head.*",))
    assert report.complete
    assert report.ignored == ("1.bias", "head.weight")


def test_patterns_do_not_excuse_a_wrong_shape(state):
    state["0.weight"] = torch.zeros(5, 3)
    with pytest.raises(CheckpointError, match="of another shape"):
        load_into(linear(), state, source="x", allow_missing=("*",), allow_unexpected=("*",))


def test_weights_of_another_model_are_refused_even_partially():
    with pytest.raises(CheckpointError, match="another kind of model"):
        load_into(linear(), {"a": torch.ones(1)}, source="x", partial=True, allow_missing=("*",))


def test_long_lists_are_cut_with_a_count(state):
    state |= {f"extra.{number}": torch.ones(1) for number in range(40)}
    with pytest.raises(CheckpointError, match=r"40 unknown to the model(?s:.*)and 28 more"):
        load_into(linear(), state, source="x")


def test_pattern_describes_the_whole_key():
    assert matches_any("head.weight", ["head.*"])
    assert not matches_any("my.head.weight", ["head.*"])
