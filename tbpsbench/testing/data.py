"""Contracts of the data side: data sets, caption sources, transforms, tokenizers, samplers.

Shapes: B texts, T tokens, N training pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from tbpsbench import registry
from tbpsbench.annotations import Annotations, record_problems
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.data.samplers.base import TrainSampler
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.verify import check_images
from tbpsbench.errors import TBPSError
from tbpsbench.model.roles import QUERY
from tbpsbench.testing.toy import Component
from tbpsbench.types import ImageRecord

TEXTS = (
    "A woman wearing a red T-shirt, blue jeans & white shoes.",
    "the man carries a black bag's strap over his shoulder",
    "a child",
    "",
    "Un homme âgé porte 2 sacs — gris",
    "a man [MASK] in [SEP] red <mask> <end_of_text> <|endoftext|> </s>",
)
LONG = " ".join(["a red jacket and blue jeans"] * 200)


def check_transform(config: Component, size: tuple[int, int] = (24, 12)) -> None:
    """A transform keeps the image's shape, gives numbers, and draws only from the generator that it is given."""
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)
    transform = registry.TRANSFORMS.build(config, "transform", {"size": size, "mean": mean, "std": std})
    raw = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(0))
    for image in (raw.to(torch.uint8), raw.float() / 255):
        try:
            first = transform(image.clone(), np.random.default_rng(1))
        except TypeError:
            continue  # it wants the other kind and says so
        shape, expected = tuple(first.shape), (3, *size)
        assert shape == expected, f"the image has shape {shape}, expected (3, H, W) as it came: {expected}"
        assert torch.isfinite(first).all(), "a pixel is not finite, expected numbers"
        _disturb(7)
        second = transform(image.clone(), np.random.default_rng(1))
        assert torch.equal(first, second), (
            "equal generators gave different images, expected equal ones: draw from the generator that is given alone"
        )
        other = transform(image.clone(), np.random.default_rng(2))
        assert transform.random or torch.equal(other, first), (
            "another generator gave another image, expected the same where `random` is False: evaluation applies it"
        )
        return
    raise AssertionError("the transform takes neither uint8 nor float32 images, expected one of the two")


def _disturb(seed: int) -> None:
    """Another state of every global generator."""
    torch.manual_seed(seed)
    np.random.seed(seed)


def check_sampler(config: Component, batch_size: int = 16) -> None:
    """A sampler's order depends on (seed, epoch) alone, has the length it says, and is shared out among processes.

    Args:
        config: the component.
        batch_size: pairs per step over all processes; even.
    """
    pids = np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 7, 8, 4, 4, 3, 9])
    sampler = _sampler(config, pids, batch_size)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        order = list(sampler)
        assert order, "the order is empty, expected training pairs"
        assert all(isinstance(item, int) for item in order), "the order holds other than int, expected positions"
        assert set(order) <= set(range(len(pids))), (
            f"the order has positions {min(order)} to {max(order)}, expected 0 to {len(pids) - 1}"
        )
        assert len(order) == len(sampler), (
            f"epoch {epoch} has {len(order)} pairs and the length is {len(sampler)}, expected the same in every epoch: "
            "see `size`"
        )
        orders.append(order)
    other = _sampler(config, pids, batch_size)
    for epoch in (2, 0):
        _disturb(epoch + 11)
        other.set_epoch(epoch)
        assert list(other) == orders[epoch], (
            f"the order of epoch {epoch} differs between two samplers, expected it to depend on (seed, epoch) alone: "
            "draw from `rng`, and remember nothing between epochs, or a resumed run is another run"
        )
    pieces = [_sampler(config, pids, batch_size, rank, 2) for rank in range(2)]
    shares = [list(piece) for piece in pieces]
    assert len(shares[0]) == len(shares[1]) == len(pieces[0]), (
        f"two processes get {len(shares[0])} and {len(shares[1])} pairs, expected equally many, or one waits for ever"
    )
    half = batch_size // 2
    for step in range(len(orders[0]) // batch_size):
        together = [pair for share in shares for pair in share[step * half : (step + 1) * half]]
        assert together == orders[0][step * batch_size : (step + 1) * batch_size], (
            f"batch {step} of two processes differs from that of one, expected the same pairs in equal pieces"
        )


def _sampler(config: Component, pids: np.ndarray, batch_size: int, rank: int = 0, world: int = 1) -> TrainSampler:
    place, context = {"rank": rank, "world_size": world}, {"pids": pids, "batch_size": batch_size, "seed": 3}
    if place.keys() <= registry.SAMPLERS.entry(config["type"]).parameters.keys():
        config = {**config, **place}
    sampler: TrainSampler = registry.SAMPLERS.build(config, "sampler", context)
    sampler.rank, sampler.world_size = rank, world
    return sampler


def check_tokenizer(config: Component, texts: Sequence[str] = TEXTS) -> None:
    """A tokenizer gives ids of its vocabulary, keeps the end of a cut text, and can be made anew from `files`.

    Args:
        config: the component.
        texts: the training captions, of which a vocabulary may be made.
    """
    tokenizer = _tokenizer(config, texts)
    size, special = tokenizer.vocab_size, tokenizer.special_ids
    assert tokenizer.pad_id == 0, f"pad_id is {tokenizer.pad_id}, expected 0, on which losses and labels rely"
    assert tokenizer.pad_id in special, "pad_id is not among special_ids, expected it there"
    mask_known = tokenizer.mask_id is None or tokenizer.mask_id in special
    assert mask_known, "mask_id is not among special_ids, expected it there"
    assert all(0 <= token < size for token in special), f"special_ids has {max(special)}, expected 0 .. {size - 1}"
    encoded = [tokenizer.encode(text) for text in texts]
    for text, ids in zip(texts, encoded, strict=True):
        assert ids, f"{text!r} has no ids, expected one at least: an encoder has nothing to pool"
        assert all(0 <= token < size for token in ids), f"{text!r} has the id {max(ids)}, expected 0 .. {size - 1}"
        assert len(ids) <= tokenizer.max_length, f"{text!r} has {len(ids)} ids, expected at most {tokenizer.max_length}"
        assert tokenizer.mask_id not in ids, f"{text!r} has the id of the mask, expected a caption not to spell it"
    cut = tokenizer.encode(LONG)
    assert len(cut) <= tokenizer.max_length, f"a long text has {len(cut)} ids, expected at most {tokenizer.max_length}"
    ends = {ids[-1] for ids in encoded}
    assert not (len(ends) == 1 and ends <= special) or cut[-1] in ends, (
        f"a text that is cut ends with id {cut[-1]}, expected its last special token, {min(ends)}, as all others"
    )
    assert tokenizer.encode_all(texts) == encoded, "encode_all differs from encode, text by text; expected equal ids"
    _check_tokens(tokenizer, texts, encoded)
    sha256 = tokenizer.sha256
    assert len(sha256) == 64, f"sha256 is {sha256!r}, expected 64 hexadecimal digits"
    again = _tokenizer(config, (), tokenizer.files() or None)
    assert [again.encode(text) for text in texts] == encoded, (
        "made anew from its config and files() it gives other ids, expected equal ones: return from files() whatever "
        "the ids depend on, or a checkpoint cannot be used without the training captions"
    )
    assert again.sha256 == sha256, "made anew from its config and files() it has another sha256, expected the same"
    other = _tokenizer(config, ["quite other words", "zebra quagga"])
    same = [other.encode(text) for text in texts] == encoded
    assert same or other.sha256 != sha256, "two that give different ids have one sha256, expected it to tell them apart"


def _tokenizer(config: Component, texts: Sequence[str], files: Mapping[str, str] | None = None) -> Tokenizer:
    context = {"texts": tuple(texts), "cache_dir": None, "files": files}
    try:
        built: Tokenizer = registry.TOKENIZERS.build(config, "tokenizer", context)
    except TBPSError as error:
        if texts:
            raise
        raise AssertionError(
            f"it cannot be made from its config and files() alone, expected it to be: return from files() whatever it "
            f"was made from ({error})"
        ) from error
    return built


def _check_tokens(tokenizer: Tokenizer, texts: Sequence[str], encoded: Sequence[Sequence[int]]) -> None:
    """A batch holds the ids of each text, then padding that the mask leaves out."""
    tokens = tokenizer(texts)
    shape, expected = tuple(tokens.ids.shape), (len(texts), tokenizer.max_length)
    assert shape == tuple(tokens.mask.shape) == expected, f"a batch has shape {shape}, expected {expected}"
    for row, ids in enumerate(encoded):
        assert tokens.ids[row].tolist() == [*ids, *[0] * (expected[1] - len(ids))], (
            f"row {row} of a batch differs from encode, expected its ids and then padding, 0"
        )
        assert tokens.mask[row].tolist() == [place < len(ids) for place in range(expected[1])], (
            f"the mask of row {row} is wrong, expected True on its {len(ids)} ids alone"
        )


def check_dataset(config: Component, **prepare: Any) -> Annotations:
    """A data set turns its release into sound annotations whose images are there, repeatably, and says what it misses.

    Args:
        config: the component, with `root` at a release, which may be a small one made for the test.
        **prepare: for `PersonSearchDataset.prepare`, e.g. `allow_partial=True` for a small release.

    Returns:
        what it loads.
    """
    dataset: PersonSearchDataset = registry.DATASETS.build(config, "dataset")
    path, expected = dataset.prepare(**prepare), dataset.root / "human.jsonl"
    assert path == expected, f"prepare returned {path}, expected {expected}"
    first = path.read_bytes()
    loaded = _annotations(dataset.load())
    _check_annotations(loaded)
    bad = check_images(loaded.image_root, [record.file for record in loaded.records], workers=1, progress=False)
    assert not bad, f"{len(bad)} images cannot be used, e.g. {bad[0]}, expected all below {loaded.image_root}"
    name = dataset.name
    assert name in loaded.dataset, f"the annotations are of {loaded.dataset!r}, expected the name {name!r} in it"
    assert dataset.population, "population is empty, expected a name of the people whom the identities number"
    dataset.prepare(**prepare)
    assert path.read_bytes() == first, "a second call of prepare wrote another file, expected the same bytes"
    with TemporaryDirectory() as folder:
        try:
            # One that draws its pictures itself needs no release.
            registry.DATASETS.build({**config, "root": str(Path(folder) / "none")}, "dataset").prepare(**prepare)
        except TBPSError:
            pass
        except Exception as error:
            raise AssertionError(
                f"without a release prepare raised {type(error).__name__}: {error}; expected a DataError that says "
                "what is missing (tbpsbench.reading reads files so)"
            ) from error
    return loaded


def check_caption_source(config: Component, dataset: PersonSearchDataset | Component) -> Annotations:
    """A caption source gives the data set's images with texts of its roles, queries among them, and repeats itself.

    Args:
        config: the component.
        dataset: whose captions they are, built or as a component.

    Returns:
        what it loads.
    """
    source = registry.CAPTION_SOURCES.build(config, "captions")
    data = dataset if isinstance(dataset, PersonSearchDataset) else registry.DATASETS.build(dataset, "dataset")
    assert source.name, "name is empty, expected the name of the annotation file"
    assert QUERY in source.roles, f"roles is {source.roles}, expected {QUERY!r} among them"
    loaded, plain = _annotations(source.load(data)), data.load()
    queries = [c.caption_id for r in loaded.records for c in r.captions if c.role == QUERY]
    assert len(set(queries)) == len(queries), "two queries have one caption_id, expected a number for each"
    _check_annotations(replace(loaded, records=_renumbered(loaded.records)))
    roles = {caption.role for record in loaded.records for caption in record.captions}
    assert roles == set(source.roles), f"its captions have the roles {sorted(roles)}, expected {sorted(source.roles)}"
    mine, theirs = ([(r.image_id, r.file, r.pid, r.split) for r in each.records] for each in (loaded, plain))
    assert mine == theirs, (
        f"its {len(mine)} images are not the {len(theirs)} of the data set, expected the same, in order"
    )
    needed = [pair for pair in zip(loaded.records, plain.records, strict=True) if source.queries or _learnt(pair[1])]
    unasked = [record.file for record, own in needed if own.captions and not _asked(record)]
    assert not unasked, (
        f"{len(unasked)} images have no query, e.g. {unasked[:1]}, expected one where there are captions"
    )
    assert source.load(data).records == loaded.records, "a second load gave other captions, expected equal ones"
    return loaded


def _renumbered(records: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Captions numbered by their position, as those of a file are; a source may number its own otherwise."""
    number = count()
    return tuple(
        replace(r, captions=tuple(replace(caption, caption_id=next(number)) for caption in r.captions)) for r in records
    )


def _learnt(record: ImageRecord) -> bool:
    """Whether training shows it; a source that is for training alone needs no captions of others."""
    return record.split == "train"


def _asked(record: ImageRecord) -> bool:
    return any(caption.role == QUERY for caption in record.captions)


def _annotations(loaded: Any) -> Annotations:
    assert isinstance(loaded, Annotations), f"load returned {type(loaded).__name__}, expected Annotations"
    return loaded


def _check_annotations(loaded: Annotations) -> None:
    problems = record_problems(loaded.records)
    assert not problems, "the annotations contradict themselves, expected sound ones:\n" + "\n".join(problems[:5])
    assert any(map(_asked, loaded.records)), f"no caption has the role {QUERY!r}, expected some to ask with"
