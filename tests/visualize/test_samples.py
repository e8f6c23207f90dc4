import dataclasses

import numpy as np
import pytest
from PIL import Image

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.errors import DataError
from tbpsbench.types import Caption, ImageRecord
from tbpsbench.visualize.samples import contact_sheet


@pytest.fixture(scope="module")
def annotations(mini):
    return read_annotations(mini / "tiny-0" / "human.jsonl")


@pytest.mark.parametrize("split", ["val", "test", "test-clothes"])
def test_a_split_is_shown_with_its_name_and_size(annotations, texts, tmp_path, split):
    with Image.open(contact_sheet(annotations, tmp_path / "sheet.png", split=split, rows=2)) as image:
        assert image.width >= 620
    records = annotations.split(split)
    persons = {record.pid for record in records}
    assert texts[0].startswith(f"MiniPEDES (tiny), {split}: {len(persons)} persons, {len(records)} images, ")
    shown = {int(text.split(",")[0].removeprefix("id ")) for text in texts if text.startswith("id ")}
    assert shown == set(sorted(persons)[:2])


def test_the_second_outfit_alone_fills_its_row(annotations, texts, tmp_path):
    contact_sheet(annotations, tmp_path / "sheet.png", split="test-clothes", rows=1)
    pid = min(record.pid for record in annotations.split("test-clothes"))
    expected = sum(record.pid == pid for record in annotations.split("test-clothes"))
    assert sum(text.startswith("id ") for text in texts) == min(expected, 6)


def test_all_splits_are_named_and_go_with_the_images(annotations, texts, tmp_path):
    contact_sheet(annotations, tmp_path / "sheet.png", rows=1)
    assert texts[0] == f"MiniPEDES (tiny), all splits: {', '.join(annotations.splits())}"
    assert any(", val," in text or ", test," in text for text in texts[1:])


def test_an_unknown_split_lists_the_known_ones(annotations, tmp_path):
    with pytest.raises(DataError, match="no images in the split 'tset'; there are: train, val, test"):
        contact_sheet(annotations, tmp_path / "sheet.png", split="tset")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("shape", "cell"), [((1, 5000), (96, 384)), ((4000, 20), (768, 4)), ((32, 64), (192, 384))])
def test_cells_keep_to_a_shape_and_images_to_theirs(tmp_path, shape, cell):
    (tmp_path / "images").mkdir()
    records = []
    for number, (size, colour) in enumerate(((shape, (200, 0, 0)), ((50, 50), (0, 0, 200)))):
        Image.new("RGB", size, colour).save(tmp_path / "images" / f"{number}.png")
        caption = Caption("a man", "query", number, "human", "test", number)
        records.append(ImageRecord(number, f"{number}.png", number, "test", (caption,)))
    toy = read_annotations(write_annotations(tmp_path / "human.jsonl", "Toy", "human", records))
    with Image.open(contact_sheet(toy, tmp_path / "sheet.png", split="test")) as image:
        assert image.width <= 800
        pixels = np.asarray(image).astype(int)
    red, blue = ((pixels[..., a] > 150) & (pixels[..., b] < 90) for a, b in ((0, 2), (2, 0)))
    width = {1: 1, 4000: 768, 32: 192}[shape[0]]
    assert np.ptp(np.flatnonzero(red.any(axis=0))) + 1 == width
    assert np.ptp(np.flatnonzero(red.any(axis=1))) + 1 == cell[1]
    side = min(max(cell[0], width), 384)
    assert [np.ptp(np.flatnonzero(blue.any(axis=axis))) + 1 for axis in (0, 1)] == [side, side]


def test_names_stay_on_their_sheet(annotations, texts, tmp_path):
    named = dataclasses.replace(annotations, dataset="[/bold] $x$ " + "n" * 300)
    with Image.open(contact_sheet(named, tmp_path / "sheet.png", split="test", rows=1)) as image:
        right = np.asarray(image.convert("L"))[:34, -14:]
    assert right.min() > 200
    assert texts[0].startswith("[/bold] $x$ n")
