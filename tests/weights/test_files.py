"""Weight files of strangers: traps, damage, and tensors that no parameter can be copied from."""

import io
import pickle
import zipfile

import pytest
import torch
from cases import refusal
from safetensors.torch import save as save_safetensors

from tbpsbench.errors import CheckpointError
from tbpsbench.weights.checkpoint import FORMAT, PARTS, read_described
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.hub import find_weights

ODD = {
    "a sparse": lambda: torch.eye(2).to_sparse(),
    "a sparse, in rows": lambda: torch.eye(2).to_sparse_csr(),
    "a complex": lambda: torch.zeros(2, dtype=torch.complex64),
    "a meta": lambda: torch.zeros(2, device="meta"),
    "a quantised": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "an expanded": lambda: torch.zeros(1).expand(1 << 40),
}


def saved(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def described(weights):
    return {"state_dict": weights, "tbpsbench": {"format": FORMAT, **dict.fromkeys(PARTS)}}


@pytest.mark.parametrize("what", ODD)
def test_a_tensor_that_is_no_weight_is_named(what, tmp_path):
    state = {"fine": torch.ones(2), "layer.weight": ODD[what]()}
    for content, read in ((state, read_state_dict), (described(state), read_described)):
        (tmp_path / "w.pth").write_bytes(saved(content))
        error = refusal(read, tmp_path / "w.pth")
        assert isinstance(error, CheckpointError)
        assert "layer.weight" in str(error) or "object" in str(error)
        assert what.partition(",")[0] in str(error) or "object" in str(error)


def test_complex_numbers_in_safetensors_are_refused_too(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(save_safetensors({"a": torch.zeros(2, dtype=torch.complex64)}))
    assert "a is a complex tensor" in str(refusal(read_state_dict, tmp_path / "w.safetensors"))


@pytest.mark.parametrize("key", ["\ud800", "a\0", "a\nb", "x" * 2000, "", 1, ("a",)])
def test_a_name_that_is_none_is_refused_and_shown(key, tmp_path):
    (tmp_path / "w.pth").write_bytes(saved({key: torch.ones(1), "b": torch.ones(1)}))
    error = refusal(read_state_dict, tmp_path / "w.pth")
    assert key == "" or isinstance(error, CheckpointError)


def test_numbers_that_several_places_share_are_weights(tmp_path):
    state = {"a": torch.zeros(1).expand(4), "b": torch.arange(6.0)[::2]}
    (tmp_path / "w.pth").write_bytes(saved(state))
    loaded = read_state_dict(tmp_path / "w.pth")
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def repacked(data, change):
    """The zip file with its members changed: name, content -> content, compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return stream.getvalue()


def test_a_zip_file_that_unpacks_to_much_more_is_refused_before_it_is_read(tmp_path):
    plain = saved({"a": torch.ones(2)})
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
    for data in (plain, script.getvalue()):
        bomb = repacked(data, lambda name, old: b"\0" * (64 << 20) if "/data/" in name else old)
        (tmp_path / "w.pth").write_bytes(bomb)
        assert "unpacks to" in str(refusal(read_state_dict, tmp_path / "w.pth"))


def test_torchscript_modules_that_hold_each_other_end_in_an_error(tmp_path):
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
    # GLOBAL __torch__ M, called, memoised; its attributes hold itself.
    looped = b"\x80\x02c__torch__\nM\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb."
    (tmp_path / "w.pt").write_bytes(
        repacked(script.getvalue(), lambda name, old: looped if name.endswith("data.pkl") else old)
    )
    assert "more than 100000 modules" in str(refusal(read_state_dict, tmp_path / "w.pt"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_truncation_is_an_error(suffix, tmp_path):
    state = {"a": torch.arange(6.0), "b": torch.zeros(2, 2)}
    data = saved(state) if suffix == ".pth" else save_safetensors(state)
    for length in range(0, len(data) - 1, 37):
        (tmp_path / f"w{suffix}").write_bytes(data[:length])
        assert isinstance(refusal(read_state_dict, tmp_path / f"w{suffix}"), CheckpointError), length


def test_the_home_folder_is_found_in_pretrained(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.pth").write_bytes(saved({"a": torch.ones(1)}))
    assert find_weights("~/w.pth", {}) == tmp_path / "w.pth"
    assert read_state_dict("~/w.pth").keys() == {"a"}
    assert isinstance(refusal(find_weights, "~/other", {}), CheckpointError)


def test_nothing_in_a_file_is_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'sprung')!r}, 'w')",)

    for data in (pickle.dumps({"a": Trap()}), saved({"a": Trap()}), saved(described({"a": Trap()}))):
        (tmp_path / "w.pth").write_bytes(data)
        assert isinstance(refusal(read_state_dict, tmp_path / "w.pth"), CheckpointError)
    assert not (tmp_path / "sprung").exists()
