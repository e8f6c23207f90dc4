"""A folder of pictures that nobody has labelled."""

import pytest
import torch
from PIL import Image

from tbpsbench.data.folder import ImageFolder
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.errors import DataError
from tbpsbench.retrieval.walk import find_pictures

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


def test_every_kind_of_picture_counts_and_what_is_passed_over_is_told_once(folder, capsys):
    for name in ("2.jfif", "3.tif", "4.gif", "5.avif", "6.JPG"):
        Image.new("RGB", (4, 8)).save(folder / name, "PNG")
    (folder / ".thumbnails").mkdir()
    for name in ("._0.png", ".thumbnails/0.png", "notes.txt", "7.heic", "README"):
        (folder / name).write_bytes(b"no picture")
    found = ImageFolder(folder, PREPROCESS)
    assert found.files == ["0.png", "2.jfif", "3.tif", "4.gif", "5.avif", "6.JPG", "more/1.png"]
    assert len(torch.cat(list(found.batches(4)))) == 7
    ImageFolder(folder, PREPROCESS)
    told = capsys.readouterr().err
    assert told.count("7 pictures, 5 others passed over (hidden: 2, ") == 1
    for kind in (".heic: 1", ".txt: 1", "without a suffix: 1"):
        assert kind in told


def test_bad_pictures_are_listed_together_before_any_is_embedded(folder):
    (folder / "more" / "1.png").write_bytes(b"no picture")
    (folder / "2.jpg").write_bytes(b"")
    (folder / "3.tif").symlink_to(folder / "gone.tif")
    with pytest.raises(DataError, match="3 images cannot be used") as error:
        ImageFolder(folder, PREPROCESS)
    for line in ("2.jpg: empty file", "3.tif: missing", "more/1.png: not an image"):
        assert line in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_is_damaged_later_is_named_in_one_sentence(folder, workers):
    found = ImageFolder(folder, PREPROCESS)
    (folder / "more" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as error:
        list(found.batches(2, num_workers=workers))
    assert str(error.value).startswith(f"{folder / 'more' / '1.png'}: ")
    assert "Traceback" not in str(error.value)


def test_an_index_takes_the_same_files_for_pictures(folder):
    for name in ("2.jfif", "3.tif", "4.txt"):
        Image.new("RGB", (4, 8)).save(folder / name, "PNG")
    assert ImageFolder(folder, PREPROCESS).files == [item.file for item in find_pictures(folder).pictures]
