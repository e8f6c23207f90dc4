from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data.eval_set import GallerySet, QuerySet
from tbpsbench.data.images import DecodedImages
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.data.transforms.flip import HorizontalFlip
from tbpsbench.data.transforms.normalize import Normalize
from tbpsbench.errors import DataError
from tbpsbench.types import Caption, ImageRecord

SIZE = (8, 6)


def write(folder, name, role, captions):
    records, caption_id = [], 0
    for image_id in range(7):
        split = "train" if image_id < 2 else "test"
        texts = [f"{role} {number} of image {image_id}" for number in range(captions)]
        made = [Caption(t, role, image_id, name, split, caption_id + n) for n, t in enumerate(texts)]
        caption_id += captions
        records.append(ImageRecord(image_id, f"{image_id}.png", image_id // 2, split, tuple(made)))
    return read_annotations(write_annotations(folder / f"{name}.jsonl", "Toy", name, records))


@pytest.fixture
def human(tmp_path):
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(1)
    for image_id in range(7):
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(tmp_path / f"images/{image_id}.png")
    return write(tmp_path, "human", "query", 2)


@pytest.fixture
def tokenizer(human):
    return WordPiece(texts=[c.text for r in human.records for c in r.captions], max_length=10)


@pytest.fixture
def images(human):
    return DecodedImages(human.image_root, [record.file for record in human.records], SIZE)


@pytest.fixture
def transform():
    return Compose([HorizontalFlip(1.0), Normalize((0.5,) * 3, (0.5,) * 3)], SIZE).fixed()


@pytest.mark.parametrize("workers", [0, 1])
def test_the_gallery_has_every_image_of_the_split_once(human, images, transform, workers):
    gallery = GallerySet(human, "test", images, transform)
    found = list(gallery.batches(2, num_workers=workers))
    assert [len(batch) for batch in found] == [2, 2, 1]
    assert torch.cat([batch.image_id_B for batch in found]).tolist() == gallery.image_ids.tolist() == [2, 3, 4, 5, 6]
    assert torch.cat([batch.pid_B for batch in found]).tolist() == gallery.pids.tolist() == [1, 1, 2, 2, 3]
    assert torch.cat([batch.sample_index_B for batch in found]).tolist() == [0, 1, 2, 3, 4]
    assert found[0].texts == {}
    expected = (images[3].float() / 255 - 0.5) / 0.5
    torch.testing.assert_close(found[0].image_B3HW[1], expected)


def test_queries_are_all_captions_of_the_split(human, tokenizer):
    queries = QuerySet(human, "test", TextStore(tokenizer))
    found = list(queries.batches(4))
    assert [len(batch) for batch in found] == [4, 4, 2]
    assert queries.texts[3] == "query 1 of image 3"
    assert torch.cat([batch.caption_id_B for batch in found]).tolist() == list(range(4, 14))
    assert torch.cat([batch.pid_B for batch in found]).tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert torch.equal(torch.cat([batch.texts["query"].ids for batch in found]), tokenizer(queries.texts).ids)
    assert all(batch.image_B3HW is None for batch in found)


def test_a_share_of_items_says_which_they_are(human, images, transform, tokenizer):
    gallery = next(GallerySet(human, "test", images, transform).batches(8, indices=[4, 1]))
    assert gallery.sample_index_B.tolist() == [4, 1]
    assert gallery.image_id_B.tolist() == [6, 3]
    queries = next(QuerySet(human, "test", TextStore(tokenizer)).batches(8, indices=[9, 0]))
    assert queries.sample_index_B.tolist() == [9, 0]
    assert queries.image_id_B.tolist() == [6, 2]


def test_descriptions_may_go_with_gallery_images(human, images, transform, tokenizer, tmp_path):
    described = write(tmp_path, "mllm", "identity", 1)
    batch = next(GallerySet(human, "test", images, transform, [described], TextStore(tokenizer)).batches(3))
    expected = tokenizer([described.records[image_id].captions[0].text for image_id in (2, 3, 4)])
    assert torch.equal(batch.texts["identity"].ids, expected.ids)
    assert torch.equal(batch.texts["identity"].mask, expected.mask)


def test_query_captions_never_go_with_gallery_images(human, images, transform, tokenizer):
    with pytest.raises(DataError, match="a query caption must not go with a gallery image"):
        GallerySet(human, "test", images, transform, [human], TextStore(tokenizer))


def test_an_unknown_split_lists_the_known_ones(human, tokenizer):
    with pytest.raises(DataError, match=r"'val'; there are: train, test"):
        QuerySet(human, "val", TextStore(tokenizer))


def test_texts_that_the_gallery_is_to_have_and_a_split_lacks_are_named(human, images, transform, tokenizer, tmp_path):
    """Else the result would be one of pictures alone, without a word."""
    described = write(tmp_path, "mllm", "identity", 1)
    empty = [replace(r, captions=r.captions if r.split == "train" else ()) for r in described.records]
    lacking = read_annotations(write_annotations(described.path, "Toy", "mllm", empty))
    with pytest.raises(DataError, match=r"has no text for any image of the split 'test', which evaluation"):
        GallerySet(human, "test", images, transform, [lacking], TextStore(tokenizer))
