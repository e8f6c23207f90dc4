import io
import pickle
import zipfile

import pytest
import torch
from torch import nn

from tbpsbench.errors import CheckpointError
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.torchscript import is_torchscript, read_torchscript


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("resolution", torch.tensor(224))
        self.depth = 7

    def forward(self, x):
        return self.blocks(x) * self.scale


@pytest.fixture
def archive(tmp_path):
    tower = Tower().half()
    torch.jit.save(torch.jit.script(tower), tmp_path / "tower.pt")
    return tmp_path / "tower.pt", tower


def test_tensors_of_an_archive_equal_the_module(archive):
    path, tower = archive
    assert is_torchscript(path)
    loaded, expected = read_state_dict(path), tower.state_dict()
    assert loaded.keys() == expected.keys()
    for key, value in expected.items():
        assert loaded[key].dtype == value.dtype
        assert torch.equal(loaded[key], value)


def test_transposed_tensors_keep_their_order(tmp_path):
    class Strided(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("t", torch.arange(6.0).reshape(2, 3).T)

        def forward(self, x):
            return x

    torch.jit.save(torch.jit.script(Strided()), tmp_path / "s.pt")
    assert read_torchscript(tmp_path / "s.pt")["t"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]


def test_plain_weight_file_is_no_archive(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "w.pt")
    assert not is_torchscript(tmp_path / "w.pt")


def test_truncated_archive_is_refused(archive):
    path, _ = archive
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"tower.pt"):
        read_state_dict(path)


def test_code_in_an_archive_is_refused_and_not_run(archive, tmp_path):
    path, _ = archive
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            import os

            return os.mkdir, (str(marker),)

    data = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            content = pickle.dumps(Trap(), protocol=2) if name.endswith("/data.pkl") else old.read(name)
            new.writestr(name, content)
    path.write_bytes(data.getvalue())
    with pytest.raises(CheckpointError, match="mkdir is not allowed"):
        read_state_dict(path)
    assert not marker.exists()
