"""What samples carry besides one image and its caption: further views and captions, changed texts, attributes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.data.cache import build_cache
from tbpsbench.data.collate import collate
from tbpsbench.data.extras import Extras
from tbpsbench.data.masking import TokenChanger
from tbpsbench.data.randomness import sample_rng
from tbpsbench.data.samplers.shuffle import Shuffle
from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.text_transforms.caption_mix import CaptionMix
from tbpsbench.data.text_transforms.token_mask import TokenMask
from tbpsbench.data.text_transforms.word_drop import WordDrop
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
from tbpsbench.data.train_set import TrainSet
from tbpsbench.data.train_texts import captions_elsewhere
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.data.transforms.flip import HorizontalFlip
from tbpsbench.data.transforms.normalize import Normalize
from tbpsbench.data.transforms.pad_crop import PadCrop
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.types import Caption, ImageRecord

SIZE, MEAN, STD = (12, 8), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
CAPTIONS = (3, 1, 2, 2)  # of each image
TOKENIZER = CLIPBPE(context_length=24)


class Toy(PersonSearchDataset):
    name = "Toy"

    def prepare(self, *, splits_file=None, allow_partial=False):
        raise NotImplementedError


def caption(image_id, caption_id, text, derived_from="image"):
    return Caption(text, "query", image_id, "made up", "train", caption_id, derived_from)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four pictures with 3, 1, 2 and 2 captions, and two further caption files over the same pictures."""
    folder = tmp_path_factory.mktemp("open")
    (folder / "images").mkdir()
    rng, human = np.random.default_rng(0), []
    for image_id, count in enumerate(CAPTIONS):
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(folder / "images" / f"{image_id}.png")
        first = sum(CAPTIONS[:image_id])
        texts = [
            f"a person number {image_id} seen {['once', 'twice', 'thrice'][k]} in red and blue" for k in range(count)
        ]
        captions = tuple(caption(image_id, first + k, text) for k, text in enumerate(texts))
        human.append(ImageRecord(image_id, f"{image_id}.png", image_id // 2, "train", captions, camera=image_id % 2))
    back = [
        replace(r, captions=tuple(caption(r.image_id, c.caption_id, f"back {c.text}", c.sha256) for c in r.captions))
        for r in human
    ]
    told = [replace(r, captions=(caption(r.image_id, r.image_id, f"told of {r.image_id}"),)) for r in human]
    for name, records in (("human", human), ("back", back), ("told", told)):
        write_annotations(folder / f"{name}.jsonl", "Toy", name, records)
    return folder


@pytest.fixture(scope="module")
def human(root):
    return read_annotations(root / "human.jsonl")


@pytest.fixture
def make(human, root):
    images = build_cache(human, SIZE, progress=False)
    recipe = Compose([HorizontalFlip(), PadCrop(2), Normalize(MEAN, STD)], SIZE)

    def build(**options):
        if more := options.pop("more", ()):
            options["more_captions"] = [read_annotations(root / f"{name}.jsonl") for name in more]
        if names := options.pop("extras", ()):
            options["extras"] = Extras(Toy(str(root)), human.records, names)
        if views := options.pop("views", ()):
            options["views"] = dict.fromkeys(views, recipe)
        return TrainSet(human, TextStore(TOKENIZER), images, recipe, **options)

    return build


def everything(**options):
    transforms = [CaptionMix(0.5), WordDrop(0.2), TokenMask(TOKENIZER, 0.2)]
    return {
        "views": ("second", "third"), "captions_per_sample": 3, "text_transforms": transforms, "more": ("back", "told"),
        "extras": ("camera",), "text_noise": 0.1, "masked_tokens": True, **options,
    }  # fmt: skip


def ids(*texts):
    return [TOKENIZER([text]).ids[0].tolist() for text in texts]


def same(one, other):
    for name in ("views", "extras"):
        assert getattr(one, name).keys() == getattr(other, name).keys()
        assert all(torch.equal(getattr(one, name)[key], getattr(other, name)[key]) for key in getattr(one, name))
    assert one.texts.keys() == other.texts.keys()
    assert all(torch.equal(one.texts[role].ids, other.texts[role].ids) for role in one.texts)
    assert all(torch.equal(one.texts[role].mask, other.texts[role].mask) for role in one.texts)


def test_what_a_sample_had_before_keeps_its_bits(make):
    plain, open_ = make(masked_tokens=True), make(masked_tokens=True, views=("second",), captions_per_sample=2)
    for index in range(len(plain)):
        before, now = plain[index], open_[index]
        assert torch.equal(before.image_3HW, now.image_3HW)
        assert list(now.texts) == ["query", "masked", "query_2"]
        assert all(torch.equal(before.texts[role].ids, now.texts[role].ids) for role in before.texts)


def test_picture_and_noise_draw_from_the_streams_that_they_always_had(make):
    dataset, plain, changer = make(**everything(text_transforms=[])), make(), TokenChanger(TOKENIZER)
    dataset.set_epoch(4)
    for index in range(len(dataset)):
        sample, given = dataset[index], plain[index].texts["query"]
        ids_T, length = changer.noise(
            given.ids.numpy(), int(given.mask.sum()), sample_rng(0, 4, index, "text noise"), 0.1
        )
        assert sample.texts["query"].ids.tolist() == ids_T.tolist()
        assert int(sample.texts["query"].mask.sum()) == length
        picture = dataset.transform(dataset.images[sample.image_id], sample_rng(0, 4, index, "image"))
        assert torch.equal(sample.image_3HW, picture)


@pytest.mark.parametrize("workers", [1, 2])
def test_open_batches_are_the_same_at_any_number_of_workers_and_epochs_differ(make, workers):
    def batches(count, epoch):
        dataset = make(**everything())
        loader = DataLoader(dataset, 3, sampler=Shuffle(dataset.pids, 3, 0), num_workers=count, collate_fn=collate)
        loader.sampler.set_epoch(epoch)
        dataset.set_epoch(epoch)
        return list(loader)

    alone, shared, next_ = batches(0, 1), batches(workers, 1), batches(0, 2)
    assert len(alone) == len(shared) == 3
    for one, other in zip(alone, shared, strict=True):
        same(one, other)
    assert not torch.equal(alone[0].views["second"], next_[0].views["second"])


def test_views_are_drawn_apart_with_their_own_transforms(make):
    dataset = make(views=("second", "third"))
    seen = collate([dataset[index] for index in range(8)])
    assert seen.views["second"].shape == seen.image_B3HW.shape
    for one, other in [("second", "third"), ("third", "second")]:
        assert not torch.equal(seen.views[one], seen.image_B3HW)
        assert not torch.equal(seen.views[one], seen.views[other])
    moved = seen.to("meta")
    assert {t.device.type for t in (*moved.views.values(), moved.image_B3HW)} == {"meta"}


def test_further_captions_are_the_images_own_others(make, human):
    dataset, seen = make(captions_per_sample=3), set()
    texts = [c.text for record in human.records for c in record.captions]
    for epoch in range(8):
        dataset.set_epoch(epoch)
        for index, own in enumerate(texts):
            sample = dataset[index]
            record = human.records[sample.image_id]
            shown = [sample.texts[role].ids.tolist() for role in ("query", "query_2", "query_3")]
            assert shown[0] == ids(own)[0]
            allowed = ids(*(c.text for c in record.captions))
            assert all(text in allowed for text in shown)
            assert len({*map(tuple, shown)}) == min(3, len(record.captions))
            if index == 0:
                seen.add(tuple(shown[1]))
    assert len(seen) == 2


def test_an_image_with_two_captions_begins_again_with_the_first(make):
    sample = make(captions_per_sample=3)[-1]
    assert torch.equal(sample.texts["query_3"].ids, sample.texts["query"].ids)


def test_further_captions_of_noisy_pairs_are_those_that_the_pairs_show(make, human):
    permutation = np.roll(np.arange(8), 3)
    dataset = make(captions_per_sample=2, caption_permutation=permutation)
    texts = [c.text for record in human.records for c in record.captions]
    assert dataset[7].texts["query_2"].ids.tolist() == ids(texts[permutation[6]])[0]


def test_captions_elsewhere_are_those_made_from_the_caption_or_of_the_image(root, human):
    pairs = [(record, c) for record in human.records for c in record.captions]
    found = captions_elsewhere(pairs, [read_annotations(root / f"{name}.jsonl") for name in ("back", "told")], "query")
    assert found[1] == {"back": (f"back {pairs[1][1].text}",), "told": ("told of 0",)}
    assert found[7]["told"] == ("told of 3",)
    with pytest.raises(DataError, match=r"back.jsonl: no captions of the role 'identity' for the training images"):
        captions_elsewhere(pairs, [read_annotations(root / "back.jsonl")], "identity")


def test_mixed_captions_are_tokenised_as_they_are(make, human):
    dataset = make(text_transforms=[CaptionMix(1.0)], more=("back",))
    texts = [f"back {c.text}" for record in human.records for c in record.captions]
    for index, text in enumerate(texts):
        tokens, expected = dataset[index].texts["query"], TOKENIZER([text])
        assert torch.equal(tokens.ids, expected.ids[0])
        assert torch.equal(tokens.mask, expected.mask[0])


def test_sentences_change_before_tokens_and_each_role_draws_for_itself(make):
    dataset = make(text_transforms=[TokenMask(TOKENIZER, 0.5), WordDrop(0.5)], captions_per_sample=2)
    once = dataset[3]  # an image with one caption: both roles show the same sentence
    assert not torch.equal(once.texts["query"].ids, once.texts["query_2"].ids)
    for tokens in once.texts.values():
        assert (tokens.ids[~tokens.mask] == 0).all()
        assert tokens.ids[tokens.mask][-1] == 49407
        assert (tokens.ids == TOKENIZER.mask_id).any()


class Says(TextTransform):
    def __init__(self, text=None, ids_T=None):
        self.text, self.ids_T = text, ids_T

    def rewrite(self, text, others, rng):
        return text if self.text is None else self.text

    def change(self, ids_T, rng):
        return ids_T if self.ids_T is None else self.ids_T


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Says(text="  "), "Says made '  ' of 'a person number 0"),
        (Says(text="\u200b"), r"Says made '\\u200b' of"),
        (Says(text=3), "Says made 3 of"),
        (Says(ids_T=np.zeros(0, dtype=np.int32)), "expected at least 1 and no more ids"),
        (Says(ids_T=np.ones(40, dtype=np.int32)), r"made int32 of shape \(40,\)"),
        (Says(ids_T=np.ones(2)), "made float64"),
    ],
)
def test_a_transform_that_leaves_no_caption_is_named(make, transform, message):
    with pytest.raises(ConfigError, match=message):
        make(text_transforms=[transform])[0]


def test_extras_go_with_the_image(make):
    dataset = make(extras=("camera",))
    batch = collate([dataset[index] for index in range(8)])
    assert batch.extras["camera"].tolist() == [image_id % 2 for image_id in batch.image_id_B.tolist()]


def test_a_file_cannot_bring_a_role_that_the_data_make(make, human):
    taken = tuple(replace(r, captions=tuple(replace(c, role="query_2") for c in r.captions)) for r in human.records)
    with pytest.raises(DataError, match="the role 'query_2' is one that the training data make themselves"):
        make(extra=[replace(human, records=taken)])
