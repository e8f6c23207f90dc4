import pytest

from tbpsbench.errors import StorageError
from tbpsbench.files import require_file, require_folder


def test_places_that_can_be_written_are_accepted_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").write_text("old")
    for folder in (tmp_path, tmp_path / "a" / "b", "c"):
        require_folder(folder)
    for file in (tmp_path / "there.json", tmp_path / "a" / "new.json", "new.json", None):
        require_file(file)
    assert [path.name for path in tmp_path.iterdir()] == ["there.json"]
    assert (tmp_path / "there.json").read_text() == "old"


@pytest.mark.parametrize("place", ["file", "file/below", "file/below/further", "nowhere", "nowhere/below"])
def test_what_is_no_folder_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "folder")
    with pytest.raises(StorageError, match="cannot write"):
        require_folder(tmp_path / place)


def test_a_file_is_refused_where_a_folder_has_its_name_or_its_folder_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a folder has this name"):
        require_file(tmp_path)
    with pytest.raises(StorageError, match=r"cannot write .*file: Not a directory"):
        require_file(tmp_path / "file" / "out.json")
