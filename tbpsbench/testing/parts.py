"""Contracts of the parts that make features: encoders, disentanglers, fusers, heads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.backbones.base import Encoded
from tbpsbench.entries import Entry
from tbpsbench.heads.base import Head, Side
from tbpsbench.model.sides import of_query
from tbpsbench.model.wiring import TEXT_ATTENTION
from tbpsbench.testing.compare import assert_close, assert_rows_alone, assert_trimmed, check_state
from tbpsbench.testing.toy import (
    WIDTH,
    Component,
    handed,
    picked,
    reads_what_it_requires,
    roles_read,
    toy_batch,
    toy_dims,
    toy_features,
)
from tbpsbench.types import Batch, Embedding, Features

SIDES: tuple[Side, ...] = ("text", "image")
ANSWER = "in training each image would be shown its own caption"


def _toys(entry: Entry[Any], config: Component, width: int) -> tuple[dict[str, int], Batch, Features]:
    """Widths, a batch, and features with all that the component reads."""
    roles, names = roles_read(entry, config), entry.resolve(entry.requires, config)
    batch = toy_batch(roles=roles)
    return toy_dims(width, roles, names), batch, toy_features(batch, width, names=names)


def _asked_otherwise(features: Features, batch: Batch, width: int) -> Features:
    """The same images, asked for by other captions."""
    other = toy_features(batch, width, seed=1)
    changed = {name: other[name] if of_query(name) else value for name, value in features.tensors.items()}
    return replace(features, tensors=changed)


def check_encoder(config: Component, slot: str, size: tuple[int, int] = (32, 16)) -> None:
    """An encoder gives tokens and a pooled vector of its width, each row by itself, whatever the padding.

    One that is registered to provide its attention gives it when asked.

    Args:
        config: the component.
        slot: "IMAGE_ENCODERS" or "TEXT_ENCODERS".
        size: height and width of the toy images.
    """
    kind = config["type"]
    encoder = registry.SLOTS[slot].build(config, slot.lower()).eval()
    attends = bool({"image.attention", TEXT_ATTENTION} & {*registry.SLOTS[slot].entry(kind).provides})
    batch, asked = toy_batch(size=size), {"need_attention": True} if attends else {}
    given = batch.image_B3HW if slot == "IMAGE_ENCODERS" else batch.texts["query"]
    with torch.no_grad():
        encoded = encoder(given, **asked)
        assert isinstance(encoded, Encoded), f"forward returned {type(encoded).__name__}, expected Encoded"
        expected = (len(batch), encoder.dim)
        shape = tuple(encoded.pooled_BD.shape)
        assert shape == expected, f"the pooled vector has shape {shape}, expected B and dim: {expected}"
        shape = tuple(encoded.tokens_BLD.shape)
        assert len(shape) == 3, f"the tokens have shape {shape}, expected (B, L, D)"
        assert shape[::2] == expected, f"the tokens have shape {shape}, expected B and dim: {expected}"
        assert torch.isfinite(encoded.pooled_BD).all(), "the pooled vector is not finite, expected numbers"
        assert 0 <= encoded.prefix < shape[1], f"prefix is {encoded.prefix}, expected fewer than the {shape[1]} tokens"
        _check_mask(encoded, shape[:2], batch.texts["query"].mask if slot == "TEXT_ENCODERS" else None)
        if attends:
            attention = encoded.attention_BLL
            assert attention is not None, f"{kind} provides its attention and returned none, expected (B, L, L)"
            length = shape[1]
            assert attention.shape[1:] == (length, length), (
                f"the attention has shape {tuple(attention.shape)}, expected one row and column for each of the "
                f"{length} tokens"
            )
        assert_rows_alone(_encoded(encoded), lambda row: _encoded(encoder(picked(given, row), **asked)), kind)
        if slot == "TEXT_ENCODERS":
            longest = getattr(encoder, "max_length", None)
            assert isinstance(longest, int), f"max_length is {longest!r}, expected the longest text in tokens, an int"
            assert_trimmed(_vectors(encoded), batch.texts["query"], lambda tokens: _vectors(encoder(tokens)))
    check_state(encoder, registry.SLOTS[slot].build(config, slot.lower()))


def _check_mask(encoded: Encoded, shape: tuple[int, ...], expected_BT: Tensor | None) -> None:
    """The mask is of the tokens' shape; that of texts tells padding from words."""
    mask_BL = encoded.mask_BL
    if mask_BL is not None:
        found = (tuple(mask_BL.shape), mask_BL.dtype)
        assert found == (shape, torch.bool), f"the mask is {found[1]} {found[0]}, expected {torch.bool} {shape}"
    if expected_BT is not None:
        assert mask_BL is not None, "there is no mask for padded texts, expected mask_BL=tokens.mask"
        assert torch.equal(mask_BL, expected_BT), (
            "the mask differs from tokens.mask, expected that: losses find words by their place"
        )


def _vectors(encoded: Encoded) -> dict[str, Tensor | None]:
    return {"the pooled vector": encoded.pooled_BD, "the tokens": encoded.tokens_BLD}


def _encoded(encoded: Encoded) -> dict[str, Tensor | None]:
    return {**_vectors(encoded), "the attention": encoded.attention_BLL}


def check_disentangler(config: Component, width: int = WIDTH) -> None:
    """A disentangler makes the features that it is registered to provide, in the widths it announces, row by row."""
    kind = config["type"]
    entry = registry.DISENTANGLERS.entry(kind)
    dims, batch, features = _toys(entry, config, width)
    part = registry.DISENTANGLERS.build(config, "disentangler", {"dims": dims}).eval()
    made, provided = part(features), set(entry.resolve(entry.provides, config))
    assert set(made) == provided, (
        f"it made {sorted(made)}, expected what it is registered to provide: {sorted(provided)}"
    )
    for name, value in made.items():
        assert len(value) == len(batch), (
            f"{name} has {len(value)} rows, expected one for each of the {len(batch)} pairs"
        )
        announced = part.dims.get(name)
        assert value.shape[-1] == announced, (
            f"{name} is {value.shape[-1]} wide, announced {announced}, expected the same"
        )
        assert torch.isfinite(value).all(), f"{name} is not finite, expected numbers"
    with torch.no_grad():
        assert_rows_alone(made, lambda row: part(picked(features, row)), kind)
        asked = part(_asked_otherwise(features, batch, width))
        for name, value in made.items():
            assert_close(asked[name], value, f"{name} changes with the query, expected it to know none: {ANSWER}")
    check_state(part, registry.DISENTANGLERS.build(config, "disentangler", {"dims": dims}))


def check_fuser(config: Component, width: int = WIDTH) -> None:
    """A fuser makes a vector of its width row by row, with and without a text, and learns from the image either way.

    The text is one that was made from the image: the vector must not know the query.
    """
    kind = config["type"]
    dims, batch, features = _toys(registry.FUSERS.entry(kind), config, width)
    fuser = registry.FUSERS.build(config, "fuser", {"dims": dims})
    images = Features({k: v for k, v in features.tensors.items() if not k.startswith("text.")})
    for given, what in ((features, "with a text"), (images, "without a text")):
        fused, expected = fuser(given), (len(batch), fuser.out_dim)
        shape = tuple(fused.shape)
        assert shape == expected, f"{what} the fused vector has shape {shape}, expected B and out_dim: {expected}"
        assert torch.isfinite(fused).all(), f"{what} the fused vector is not finite, expected numbers"
    fused.sum().backward()
    learnt = [t.grad.abs().sum() > 0 for t in images.tensors.values() if t.grad is not None]
    assert any(learnt), "without a text no feature of the image gets a gradient, expected one: it must be fused from it"
    fuser.eval()
    with torch.no_grad():
        for given, what in ((features, "with a text"), (images, "without a text")):
            _check_fused(fuser, given, f"the fused vector {what}", kind)
        asked = fuser(_asked_otherwise(features, batch, width))
        assert_close(
            asked, fuser(features), f"the fused vector changes with the query, expected it to know none: {ANSWER}"
        )
    check_state(fuser, registry.FUSERS.build(config, "fuser", {"dims": dims}))


def _check_fused(fuser: torch.nn.Module, given: Features, name: str, kind: str) -> None:
    assert_rows_alone({name: fuser(given)}, lambda row: {name: fuser(picked(given, row))}, kind)


def check_head(config: Component, width: int = WIDTH) -> None:
    """A head embeds both sides to its width, each alone as galleries and queries do, and scores every row by itself.

    It is shown the features that it requires and no others, and can be learnt from.
    """
    entry = registry.HEADS.entry(config["type"])
    dims, batch, features = _toys(entry, config, width)
    names = entry.resolve(entry.requires, config)
    with reads_what_it_requires(config["type"], names):
        head = registry.HEADS.build(config, "head", {"dims": dims})
        features = handed(features, names)
        _check_sides(head.eval(), features, batch, config["type"])
        _check_learns(head.train(), features, batch)
    check_state(head, registry.HEADS.build(config, "head", {"dims": dims}))


def _check_learns(head: Head, features: Features, batch: Batch) -> None:
    """Some feature gets a gradient in training."""
    both = head(features, batch)
    sides = [side for side in (both.image, both.text) if side is not None and side.requires_grad]
    assert sides, "neither side has a gradient in training, expected one: no loss could teach anything. Is it detached?"
    for side in sides:
        assert torch.isfinite(side).all(), "a side is not finite in training, expected numbers"


def _check_sides(head: Head, features: Features, batch: Batch, kind: str) -> None:
    texts, images = _sides_of(features)
    with torch.no_grad():
        both = head(features, batch)
        assert isinstance(both, Embedding), f"forward returned {type(both).__name__}, expected Embedding"
        for side, rows in (("image", both.image), ("text", both.text)):
            assert rows is not None, f"the {side} side is None in a batch with both, expected (B, D) or (B, T, D)"
            shape = tuple(rows.shape)
            assert rows.ndim in (2, 3), f"the {side} side has shape {shape}, expected (B, D) or (B, T, D)"
            ends = (len(rows), shape[-1])
            assert ends == (len(batch), head.dim), f"the {side} side has shape {shape}, expected B and head.dim"
        assert head.weight > 0, f"the weight is {head.weight}, expected above 0"
        assert_rows_alone(_sides(both), lambda row: _sides(head(picked(features, row), picked(batch, row))), kind)
        _check_scores(head, both, kind)
        only = head(texts, batch)
        assert only.image is None, "without an image the image side is there, expected None"
        assert only.text is not None, "without an image the text side is None, expected it as with one"
        assert_close(only.text, both.text, "the text side depends on the image, expected it to see the query alone")
        only = head(images, batch)
        assert only.text is None, "without a query the text side is there, expected None"
        assert only.image is not None, "without a query the image side is None, expected it as with one"
        assert_close(only.image, both.image, "the image side depends on the query, expected it to see the image alone")


def _sides_of(features: Features) -> tuple[Features, Features]:
    """What there is of queries alone, and of pictures alone; other heads have one side then, too."""
    texts = Features({name: value for name, value in features.tensors.items() if of_query(name)})
    images = Features({name: value for name, value in features.tensors.items() if not of_query(name)})
    for name, both in features.heads.items():
        texts.heads[name] = replace(both, image=None, image_mask=None)
        images.heads[name] = replace(both, text=None, text_mask=None)
    return texts, images


def _sides(embedding: Embedding) -> dict[str, Tensor | None]:
    masks = {"the mask of the image side": embedding.image_mask, "the mask of the text side": embedding.text_mask}
    return {"the image side": embedding.image, "the text side": embedding.text} | masks


def _compared(head: Head, both: Embedding) -> dict[str, Tensor | None]:
    return {f"what is compared of the {side} side": head.compared(both, side).values for side in SIDES}


def _check_scores(head: Head, both: Embedding, kind: str) -> None:
    """Scores have a row for each text and a column for each image, and no pair changes another's."""
    assert_rows_alone(_compared(head, both), lambda row: _compared(head, picked(both, row)), kind)
    text, image = head.compared(both, "text"), head.compared(both, "image")
    score, expected = head.score(text, image), (len(text), len(image))
    assert tuple(score.shape) == expected, f"scores have shape {tuple(score.shape)}, expected (Q, G): {expected}"
    assert torch.isfinite(score).all(), "a score is not finite, expected numbers"
    assert_close(
        head.score(text[:2], image[1:3]), score[:2, 1:3],
        "the score of a text and an image depends on the others that are scored with them, expected the same alone",
    )  # fmt: skip
    if head.cosine:
        assert_close(
            text.values @ image.values.T, score,
            "cosine is True and the score is another than the product of what is compared; expected cosine = False",
        )  # fmt: skip
    for side, vectors in zip(SIDES, (text, image), strict=True):
        first = head.first_stage(vectors, side)
        assert first is None or (first.ndim == 2 and len(first) == len(vectors)), (
            f"first_stage gave {tuple(first.shape)} for {len(vectors)} rows, expected one vector each, (N, D), or None"
        )
