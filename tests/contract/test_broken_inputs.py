"""The contracts of transforms, samplers and tokenizers can fail: each is shown one that breaks a promise."""

import hashlib

import numpy as np
import pytest
import torch

from tbpsbench import testing
from tbpsbench.data.samplers.base import TrainSampler
from tbpsbench.data.tokenizers.base import Tokenizer, truncate
from tbpsbench.data.transforms.base import Transform
from tbpsbench.registry import SAMPLERS, TOKENIZERS, TRANSFORMS


def subclass(base, **attributes):
    return type("Toy", (base,), attributes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda self, x, rng: x + torch.rand(()), "equal generators gave different images, expected equal ones"),
        (lambda self, x, rng: x[:1], r"has shape \(1, 24, 12\), expected \(3, H, W\)"),
        (lambda self, x, rng: x[:, :3, :2], r"has shape \(3, 3, 2\), expected \(3, H, W\) as it came: \(3, 24, 12\)"),
        (lambda self, x, rng: x / 0, "a pixel is not finite, expected numbers"),
    ],
)
def test_broken_transform_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_transform(register(TRANSFORMS, subclass(Transform, __call__=change)))


def test_transform_that_draws_and_says_that_it_does_not_is_caught(register):
    fixed = subclass(Transform, __call__=lambda self, x, rng: x * float(rng.random()), random=False)
    with pytest.raises(AssertionError, match="another generator gave another image, expected the same where `random`"):
        testing.check_transform(register(TRANSFORMS, fixed))


def test_transform_that_takes_no_image_is_caught(register):
    def refuse(self, image, rng):
        raise TypeError("expected something else")

    with pytest.raises(AssertionError, match="takes neither uint8 nor float32 images, expected one of the two"):
        testing.check_transform(register(TRANSFORMS, subclass(Transform, __call__=refuse)))


class Every(TrainSampler):
    """Every pair once: keeps every promise."""

    def order(self, rng):
        return rng.permutation(len(self.pids))

    def size(self):
        return len(self.pids)


def cursor(self, rng):
    self.start = getattr(self, "start", 0) + 1
    return np.roll(np.arange(len(self.pids)), self.start)


def own_length(self):
    return iter(range(self.epoch + 5))


def same_for_all(self):
    """Every process walks the whole order."""
    return iter(np.random.default_rng(self.epoch).permutation(len(self.pids))[: len(self)].tolist())


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"order": lambda self, rng: np.random.permutation(len(self.pids))},
            r"expected it to depend on \(seed, epoch\)",
        ),
        ({"order": cursor}, "remember nothing between epochs"),
        ({"order": lambda self, rng: 1 + rng.permutation(len(self.pids))}, "has positions 1 to 56, expected 0 to 55"),
        (
            {"order": lambda self, rng: rng.permutation(len(self.pids))[:32]},
            "has 32 pairs and the length is 56, expected",
        ),
        ({"order": lambda self, rng: np.arange(0)}, "the order is empty, expected training pairs"),
        ({"__iter__": own_length}, "epoch 0 has 5 pairs and the length is 56, expected the same in every epoch"),
        ({"__iter__": same_for_all}, "batch 0 of two processes differs from that of one, expected the same pairs"),
        ({"__iter__": lambda self: iter(np.arange(56))}, "the order holds other than int, expected positions"),
    ],
)
def test_broken_sampler_is_caught(register, attributes, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_sampler(register(SAMPLERS, subclass(Every, **attributes)))


def test_sampler_whose_processes_get_different_numbers_is_caught(register):
    def uneven(self):
        yield from range(56 if self.world_size == 1 else 28 + self.rank)

    with pytest.raises(AssertionError, match="two processes get 28 and 29 pairs, expected equally many"):
        testing.check_sampler(register(SAMPLERS, subclass(Every, __iter__=uneven)))


def test_sound_sampler_passes(register):
    testing.check_sampler(register(SAMPLERS, Every))


class Letters(Tokenizer):
    """A vocabulary of the letters of its texts, 1 .. n; 0 pads, then start, end and mask: keeps every promise."""

    max_length = 12

    def __init__(self, texts=(), files=None):
        letters = (files or {}).get("letters.txt") or "".join(sorted(set("".join(texts))))
        if not letters:
            raise ValueError("no texts to make a vocabulary from")
        self.letters, size = letters, len(letters)
        self.start, self.end, self.mask_id, self.unknown = range(size + 1, size + 5)
        self.vocab_size = size + 5
        self.special_ids = frozenset({0, self.start, self.end, self.mask_id, self.unknown})
        self.sha256 = hashlib.sha256(letters.encode()).hexdigest()

    def files(self):
        return {"letters.txt": self.letters}

    def encode(self, text):
        ids = [self.letters.index(letter) + 1 if letter in self.letters else self.unknown for letter in text]
        return truncate([self.start, *ids, self.end], self.max_length)


def fixed(**attributes):
    """Letters with attributes of another value."""

    class Toy(Letters):
        def __init__(self, texts=(), files=None):
            super().__init__(texts, files)
            for name, value in attributes.items():
                setattr(self, name, value(self))

    return Toy


def encoding(change):
    return subclass(Letters, encode=lambda self, text: change(self, Letters.encode(self, text), text))


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (fixed(pad_id=lambda self: 1), "pad_id is 1, expected 0"),
        (
            fixed(special_ids=lambda self: frozenset({self.mask_id})),
            "pad_id is not among special_ids, expected it there",
        ),
        (fixed(special_ids=lambda self: frozenset({0})), "mask_id is not among special_ids, expected it there"),
        (fixed(vocab_size=lambda self: self.mask_id), r"special_ids has \d+, expected 0 \.\. "),
        (fixed(sha256=lambda self: "letters"), "sha256 is 'letters', expected 64 hexadecimal digits"),
        (fixed(sha256=lambda self: "0" * 64), "two that give different ids have one sha256, expected it to tell"),
        (encoding(lambda self, ids, text: ids if text else []), "'' has no ids, expected one at least"),
        (encoding(lambda self, ids, text: [*ids[:-1], self.vocab_size]), r"has the id \d+, expected 0 \.\. "),
        (encoding(lambda self, ids, text: [self.start, *([1] * len(text)), self.end]), "ids, expected at most 12"),
        (
            encoding(lambda self, ids, text: [self.mask_id if "[MASK]" in text else 1, self.end]),
            "id of the mask, expect",
        ),
        (
            encoding(lambda self, ids, text: [*ids[:-1], 1] if len(text) > 999 else ids),
            r"a text that is cut ends with id 1, expected its last special token",
        ),
        (encoding(lambda self, ids, text: ids * 9 if len(text) > 999 else ids), "a long text has 108 ids, expected at"),
        (
            subclass(Letters, encode_all=lambda self, texts: [self.encode(text)[:3] for text in texts]),
            "encode_all differs from encode, text by text; expected equal ids",
        ),
        (
            subclass(Letters, files=lambda self: {}),
            "cannot be made from its config and files.. alone, expected it to be",
        ),
        (
            subclass(Letters, files=lambda self: {"letters.txt": self.letters[::-1]}),
            "it gives other ids, expected equal ones: return from files",
        ),
    ],
)
def test_broken_tokenizer_is_caught(register, toy, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_tokenizer(register(TOKENIZERS, toy))


def batch(change):
    def call(self, texts):
        tokens = Letters.__call__(self, texts)
        change(tokens)
        return tokens

    return subclass(Letters, __call__=call)


def unmasked(tokens):
    tokens.mask[:] = True


def shifted(tokens):
    tokens.ids = tokens.ids.roll(1, dims=1)


def short(tokens):
    tokens.ids, tokens.mask = tokens.ids[:, :5], tokens.mask[:, :5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unmasked, r"the mask of row 2 is wrong, expected True on its 9 ids alone"),
        (shifted, r"row 0 of a batch differs from encode, expected its ids and then padding"),
        (short, r"a batch has shape \(6, 5\), expected \(6, 12\)"),
    ],
)
def test_tokenizer_whose_batches_are_wrong_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_tokenizer(register(TOKENIZERS, batch(change)))


def test_sound_tokenizer_passes(register):
    testing.check_tokenizer(register(TOKENIZERS, Letters))
