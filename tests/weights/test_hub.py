import pytest
import torch

from tbpsbench.errors import CheckpointError
from tbpsbench.weights.hub import find_weights


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_file_and_folder_are_taken_as_they_are(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert find_weights(str(tmp_path), {}) == tmp_path / "pytorch_model.bin"
    assert find_weights(tmp_path / "pytorch_model.bin", {}) == tmp_path / "pytorch_model.bin"


def test_missing_file_is_not_taken_for_a_name():
    with pytest.raises(CheckpointError, match=r"weights/absent\.pth: no such file"):
        find_weights("weights/absent.pth", {})


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(CheckpointError, match=r"vit-bse: no such file or folder.*Known names: vit-base"):
        find_weights("vit-bse", {"vit-base": "owner/vit-base"})


@pytest.mark.parametrize("name", ["vit-base", "owner/vit-base"])
def test_name_without_a_network_says_to_name_a_file(offline, name):
    with pytest.raises(CheckpointError, match=r"could not be fetched from owner/vit-base.*pretrained='path/to"):
        find_weights(name, {"vit-base": "owner/vit-base"})


def test_addresses_that_end_alike_are_other_files(monkeypatch, tmp_path):
    def download(url, target):
        torch.save({"a": torch.tensor(len(url))}, target)

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    addresses = ["https://a.org/irra/best.pth", "https://b.org/other/best.pth", "https://b.org/best.pth?download=true"]
    found = [find_weights(address, {}) for address in addresses]
    assert [path.name for path in found] == ["best.pth"] * 3
    assert [int(torch.load(path)["a"]) for path in found] == [len(address) for address in addresses]
