"""A folder of pictures that nobody has labelled."""

import pytest
from PIL import Image

from tbpsbench.data.folder import ImageFolder
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.errors import DataError

PREPROCESS = Preprocess((8, 4), "bilinear", (0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for name in ("0.png", "more/1.png"):
        Image.new("RGB", (4, 8)).save(tmp_path / "pictures" / name)
    return tmp_path / "pictures"


def test_links_to_folders_are_named_and_those_to_pictures_followed(folder, tmp_path):
    (folder / "2.png").symlink_to(folder / "0.png")
    assert ImageFolder(folder, PREPROCESS).files == ["0.png", "2.png", "more/1.png"]
    (tmp_path / "linked").symlink_to(folder)
    assert len(ImageFolder(tmp_path / "linked", PREPROCESS)) == 3
    (folder / "again").symlink_to(folder / "more")
    with pytest.raises(DataError, match="again: a link to a folder, which is not followed"):
        ImageFolder(folder, PREPROCESS)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_in_one_sentence(folder, workers):
    (folder / "more" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as error:
        list(ImageFolder(folder, PREPROCESS).batches(2, num_workers=workers))
    assert str(error.value).startswith(f"{folder / 'more' / '1.png'}: ")
    assert "Traceback" not in str(error.value)
