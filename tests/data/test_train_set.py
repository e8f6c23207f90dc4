"""The training set on a small data set with images on disk; what its loader gives at any number of workers."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data.cache import build_cache
from tbpsbench.data.collate import collate
from tbpsbench.data.images import DecodedImages
from tbpsbench.data.samplers.shuffle import Shuffle
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.data.train_set import TrainSet
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.data.transforms.erasing import RandomErasing
from tbpsbench.data.transforms.flip import HorizontalFlip
from tbpsbench.data.transforms.normalize import Normalize
from tbpsbench.data.transforms.pad_crop import PadCrop
from tbpsbench.errors import DataError
from tbpsbench.types import Caption, ImageRecord

SIZE, MEAN, STD = (24, 12), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
WORDS = ["red", "blue", "green", "jacket", "trousers", "skirt", "bag", "hat", "shoes", "coat"]
SPLITS = ["train"] * 8 + ["test"] * 4


def records_with(role, texts_per_image, source):
    made, caption_id = [], 0
    for image_id, split in enumerate(SPLITS):
        captions = []
        for number in range(texts_per_image):
            words = [WORDS[(image_id + step * (number + 2)) % len(WORDS)] for step in range(6)]
            captions.append(Caption(f"{role} " + " ".join(words), role, image_id, source, split, caption_id))
            caption_id += 1
        pid = 100 + image_id // 2 * 7
        made.append(ImageRecord(image_id, f"{image_id}.png", pid, split, tuple(captions)))
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for image_id in range(len(SPLITS)):
        pixels = rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{image_id}.png")
    write_annotations(folder / "human.jsonl", "Toy", "human", records_with("query", 2, "human"))
    described = [
        replace(
            record,
            captions=tuple(
                replace(c, role=role, text=c.text.replace("identity", role), caption_id=record.image_id * 3 + number)
                for number, (c, role) in enumerate(
                    zip(record.captions, ("identity", "clothing", "clothing"), strict=True)
                )
            ),
        )
        for record in records_with("identity", 3, "mllm")
    ]
    write_annotations(folder / "mllm.jsonl", "Toy", "mllm", described)
    return folder


@pytest.fixture(scope="module")
def human(root):
    return read_annotations(root / "human.jsonl")


@pytest.fixture(scope="module")
def described(root):
    return read_annotations(root / "mllm.jsonl")


@pytest.fixture(scope="module")
def tokenizer(human):
    texts = [c.text for record in human.records for c in record.captions]
    return WordPiece(texts=[*texts, "identity clothing"] * 2, vocab_size=400, max_length=12)


@pytest.fixture(scope="module")
def images(human):
    return build_cache(human, SIZE, progress=False)


def recipe():
    return Compose([HorizontalFlip(), PadCrop(3), Normalize(MEAN, STD), RandomErasing(MEAN)], SIZE)


@pytest.fixture
def make(human, tokenizer, images):
    def build(**options):
        return TrainSet(human, TextStore(tokenizer), images, recipe(), **options)

    return build


def same_tokens(first, second):
    labels = first.labels is second.labels is None or torch.equal(first.labels, second.labels)
    return torch.equal(first.ids, second.ids) and torch.equal(first.mask, second.mask) and labels


def same(first, second):
    return (
        torch.equal(first.image_B3HW, second.image_B3HW)
        and first.texts.keys() == second.texts.keys()
        and all(same_tokens(first.texts[role], second.texts[role]) for role in first.texts)
        and torch.equal(first.sample_index_B, second.sample_index_B)
    )


def batches(dataset, workers, epoch, persistent=None, batch_size=5):
    sampler = Shuffle(dataset.pids, batch_size, 0)
    loader = persistent or DataLoader(dataset, batch_size, sampler=sampler, num_workers=workers, collate_fn=collate)
    loader.sampler.set_epoch(epoch)
    dataset.set_epoch(epoch)
    return list(loader)


def test_one_item_per_image_and_caption_in_file_order(make, human):
    dataset = make()
    captions = [c for record in human.split("train") for c in record.captions]
    assert len(dataset) == len(captions) == 16
    items = [dataset[index] for index in range(16)]
    assert [item.caption_id for item in items] == [c.caption_id for c in captions]
    assert [item.image_id for item in items] == [c.image_id for c in captions]
    assert [item.sample_index for item in items] == list(range(16))


def test_labels_are_dense_and_know_the_data_sets_numbers(make, human):
    dataset = make()
    assert dataset.num_ids == 4
    assert dataset.pids.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert dataset.source_pids[dataset[5].pid] == human.records[dataset[5].image_id].pid


def test_query_tokens_are_the_tokenizers(make, human, tokenizer):
    expected = tokenizer([human.records[1].captions[1].text])
    tokens = make()[3].texts["query"]
    assert torch.equal(tokens.ids, expected.ids[0])
    assert torch.equal(tokens.mask, expected.mask[0])
    assert tokens.labels is tokens.copy_of is None


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_are_the_same_at_any_number_of_workers(make, described, workers):
    options = {"extra": [described], "masked_tokens": True, "text_noise": 0.2}
    alone, shared = batches(make(**options), 0, epoch=2), batches(make(**options), workers, epoch=2)
    assert len(alone) == len(shared) == 4
    assert all(map(same, alone, shared))


def test_epochs_differ_and_repeat(make):
    dataset = make(masked_tokens=True)
    dataset.set_epoch(1)
    first = collate([dataset[i] for i in range(16)])
    dataset.set_epoch(2)
    second = collate([dataset[i] for i in range(16)])
    dataset.set_epoch(1)
    again = collate([dataset[i] for i in range(16)])
    assert same(first, again)
    assert not torch.equal(first.image_B3HW, second.image_B3HW)
    assert not torch.equal(first.texts["masked"].ids, second.texts["masked"].ids)


def test_another_seed_is_another_augmentation(make):
    assert not torch.equal(make(seed=0)[0].image_3HW, make(seed=1)[0].image_3HW)


def test_epoch_and_weights_reach_workers_that_are_running(make):
    dataset = make()
    sampler = Shuffle(dataset.pids, 5, 0)
    loader = DataLoader(dataset, 5, sampler=sampler, num_workers=1, collate_fn=collate, persistent_workers=True)
    first = batches(dataset, 1, 0, persistent=loader)
    dataset.set_pair_weight(np.linspace(0, 1, 16))
    second = batches(dataset, 1, 1, persistent=loader)
    assert all(map(same, second, batches(make(), 0, epoch=1)))
    assert not same(first[0], second[0])
    for batch in second:
        torch.testing.assert_close(batch.pair_weight_B, batch.sample_index_B / 15)


@pytest.mark.parametrize("weights", [np.ones(3), np.full(16, -1.0), np.full(16, np.nan)])
def test_bad_pair_weights_are_refused(make, weights):
    with pytest.raises(ValueError, match="expected 16 finite weights"):
        make().set_pair_weight(weights)


def test_descriptions_of_every_role_go_with_the_pair(make, described, tokenizer):
    item = make(extra=[described])[5]
    assert sorted(item.texts) == ["clothing", "identity", "query"]
    texts = {c.role: c.text for c in described.records[item.image_id].captions}
    assert torch.equal(item.texts["identity"].ids, tokenizer([texts["identity"]]).ids[0])


def test_several_texts_of_a_role_are_drawn_by_epoch(make, described):
    dataset, seen = make(extra=[described]), set()
    for epoch in range(12):
        dataset.set_epoch(epoch)
        seen.add(tuple(dataset[0].texts["clothing"].ids.tolist()))
    assert len(seen) == 2


def test_descriptions_of_other_annotations_are_refused(human, tokenizer, images, described):
    records = tuple(replace(record, file=f"other/{record.file}") for record in described.records)
    with pytest.raises(DataError, match=r"made for other annotations: image_id 0 is 'other/0.png', expected '0.png'"):
        TrainSet(human, TextStore(tokenizer), images, recipe(), extra=[replace(described, records=records)])


def test_images_without_a_description_are_listed(human, tokenizer, images, described):
    records = tuple(replace(r, captions=r.captions[1:] if r.image_id == 3 else r.captions) for r in described.records)
    with pytest.raises(DataError, match=r"image '3.png' \(image_id 3\) has no text of the role 'identity'"):
        TrainSet(human, TextStore(tokenizer), images, recipe(), extra=[replace(described, records=records)])


def test_a_caption_permutation_moves_texts_and_nothing_else(make):
    permutation = np.roll(np.arange(16), 5)
    clean, noisy = make(), make(caption_permutation=permutation)
    for index in (0, 7, 15):
        given = clean[int(permutation[index])]
        assert torch.equal(noisy[index].texts["query"].ids, given.texts["query"].ids)
        assert noisy[index].caption_id == given.caption_id
        assert noisy[index].pid == clean[index].pid
        assert noisy[index].image_id == clean[index].image_id
        assert torch.equal(noisy[index].image_3HW, clean[index].image_3HW)
    assert (noisy.pids == clean.pids).all()


def test_masked_caption_is_a_role_with_labels_and_leaves_the_query_alone(make):
    plain, texts = make()[4].texts["query"], make(masked_tokens=True)[4].texts
    assert list(texts) == ["query", "masked"]
    assert same_tokens(plain, texts["query"])
    masked, chosen = texts["masked"], texts["masked"].labels != 0
    assert chosen.any()
    assert torch.equal(masked.labels[chosen], plain.ids[chosen])
    assert torch.equal(masked.ids[~chosen], plain.ids[~chosen])
    assert masked.copy_of is None


def test_shared_masks_take_the_place_of_the_caption(make):
    apart, shared = (make(masked_tokens=True, mask_shared=share)[4].texts for share in (False, True))
    assert same_tokens(shared["query"], apart["masked"])
    assert same_tokens(shared["masked"], apart["masked"])
    assert shared["masked"].copy_of == "query"
    assert collate([make(masked_tokens=True, mask_shared=True)[4]]).texts["masked"].copy_of == "query"


def test_text_noise_shortens_the_mask_with_the_text(make):
    dataset = make(text_noise=0.9)
    for index in range(16):
        tokens = dataset[index].texts["query"]
        assert (tokens.ids[~tokens.mask] == 0).all()
        assert tokens.ids[tokens.mask][-1] == 3


def test_collated_shapes_and_types(make, described):
    batch = next(iter(DataLoader(make(extra=[described], masked_tokens=True), 6, collate_fn=collate)))
    assert len(batch) == 6
    assert (batch.image_B3HW.shape, batch.image_B3HW.dtype) == ((6, 3, 24, 12), torch.float32)
    for role in ("query", "identity", "clothing"):
        assert (batch.texts[role].ids.shape, batch.texts[role].ids.dtype) == ((6, 12), torch.int64)
        assert (batch.texts[role].mask.shape, batch.texts[role].mask.dtype) == ((6, 12), torch.bool)
    assert batch.texts["masked"].labels.shape == (6, 12)
    assert batch.texts["query"].labels is batch.texts["identity"].labels is None
    for name in ("pid_B", "image_id_B", "caption_id_B", "sample_index_B"):
        assert (getattr(batch, name).shape, getattr(batch, name).dtype) == ((6,), torch.int64)
    assert batch.pair_weight_B.tolist() == [1.0] * 6


def test_cache_and_files_give_the_same_samples(human, tokenizer, images, make):
    files = DecodedImages(human.image_root, [record.file for record in human.records], SIZE)
    assert torch.equal(TrainSet(human, TextStore(tokenizer), files, recipe())[9].image_3HW, make()[9].image_3HW)


def test_the_set_can_be_sent_to_a_spawned_worker(make):
    dataset = make()
    dataset[0]
    assert len(pickle.dumps(dataset.images)) < 1000


def test_an_unknown_split_lists_the_known_ones(human, tokenizer, images):
    with pytest.raises(DataError, match=r"no images in the split 'val'; there are: train, test"):
        TrainSet(human, TextStore(tokenizer), images, recipe(), split="val")


def test_an_index_outside_is_an_index_error(make):
    with pytest.raises(IndexError):
        make()[16]
