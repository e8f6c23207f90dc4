"""Embeddings as a system takes them back: their shape, their side, their precision, and none at all."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_systems import TOKEN_LOSS, TOKENS, untrained

from tbpsbench import load_system
from tbpsbench.errors import CheckpointError, DataError

CAPTIONS = ["a man in jeans", "a woman in a red coat"]
PICTURES = [Image.new("RGB", (24, 48), color) for color in ("red", "green", "blue")]
OPTIONS = {"vectors": (), "sets": (TOKENS, TOKEN_LOSS)}


@pytest.fixture(scope="module")
def kept(tmp_path_factory, mini):
    folder = tmp_path_factory.mktemp("embedded")
    return {kind: untrained(mini, folder / f"{kind}.pth", *options) for kind, options in OPTIONS.items()}


@pytest.fixture
def open_system(kept):
    return lambda kind: load_system(kept[kind], device="cpu")


@pytest.mark.parametrize("kind", OPTIONS)
def test_none_and_some_are_compared(open_system, kind):
    system = open_system(kind)
    texts, index = system.encode_text(CAPTIONS), system.encode_images(PICTURES)
    no_text, no_index = system.encode_text([]), system.encode_images([])
    assert (len(no_text), len(no_index)) == (0, 0)
    assert system.similarity(no_text, index).shape == (0, 3)
    assert system.similarity(texts, no_index).shape == (2, 0)
    assert system.rank(texts[1:], index[[0, 2]]).order.shape == (1, 2)
    assert system.rank([], index).order.shape == (0, 3)


@pytest.mark.parametrize(
    ("kind", "use", "message"),
    [
        (
            "vectors",
            lambda s, t, i: s.similarity(t[0], i),
            r"embeddings of captions of shape \(16,\): expected \(N, 16",
        ),
        ("vectors", lambda s, t, i: s.similarity(t, i[0]), r"an index of shape \(16,\): expected \(N, 16\)"),
        ("vectors", lambda s, t, i: s.similarity(t[:, :8], i), r"captions of shape \(2, 8\): expected \(N, 16\)"),
        ("vectors", lambda s, t, i: s.similarity(t, i.numpy()), r"an index in a numpy array .* torch\.from_numpy"),
        ("vectors", lambda s, t, i: s.rank("a man", i.numpy()), r"an index in a numpy array .* torch\.from_numpy"),
        ("vectors", lambda s, t, i: s.rank(t * float("inf"), i), "some similarities are not finite"),
        ("vectors", lambda s, t, i: s.rank(t * 1e38 * 10, i.abs() + 1), "some similarities are not finite"),
        ("vectors", lambda s, t, i: s.rank(None, i), "texts is None, expected a caption or several"),
        ("vectors", lambda s, t, i: s.rank("a man", None), "an index of shape NoneType"),
        ("vectors", lambda s, t, i: s.encode_prepared(torch.zeros(1, 3, 48, 24).byte()), "pictures of torch.uint8"),
        ("sets", lambda s, t, i: s.rank(t[0], i), r"\[0\] of embeddings leaves no axis of rows: take a slice"),
        ("sets", lambda s, t, i: s.rank(t, i[0]), r"\[0\] of embeddings leaves no axis of rows: take a slice"),
        ("sets", lambda s, t, i: s.rank(i, t), "an index: got embeddings of captions"),
        ("sets", lambda s, t, i: s.similarity(i, t), "embeddings of captions: got an index"),
        ("sets", lambda s, t, i: s.similarity(t, torch.zeros(3, 16)), r"an index: expected .* by heads \(tokens\)"),
    ],
)
def test_what_are_no_embeddings_of_this_side_are_refused(open_system, kind, use, message):
    system = open_system(kind)
    with pytest.raises(DataError, match=message):
        use(system, system.encode_text(CAPTIONS), system.encode_images(PICTURES))


def test_an_array_of_pixels_is_still_pictures(open_system):
    assert open_system("vectors").similarity(CAPTIONS, np.zeros((3, 48, 24, 3), np.uint8)).shape == (2, 3)


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_cast_model_embeds_and_is_not_saved(open_system, tmp_path, kind, dtype):
    system = open_system(kind)
    expected = system.similarity(CAPTIONS, PICTURES)
    system.model.to(dtype)
    found = system.similarity(CAPTIONS, PICTURES)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)
    with pytest.raises(CheckpointError, match=rf"was cast to {dtype}.*Call system.model.to\(torch.float32\)"):
        system.save(tmp_path / "saved")
    system.model.float()
    again = load_system(system.save(tmp_path / "saved"), device="cpu")
    assert torch.equal(again.similarity(CAPTIONS, PICTURES), system.similarity(CAPTIONS, PICTURES))


def test_the_fingerprint_is_that_of_the_weights_now(open_system, tmp_path):
    system = open_system("vectors")
    before = system.fingerprint
    next(system.model.parameters()).data.mul_(0.5)
    folder = system.save(tmp_path / "saved")
    assert load_system(folder).fingerprint == system.fingerprint != before
    assert system.fingerprint in (folder / "README.md").read_text()


def test_parts_that_are_frozen_stay_so_while_the_rest_learns(open_system):
    system = open_system("vectors")
    system.model.train()
    system.model.image_encoder.eval()
    before = {name: part.training for name, part in system.model.named_modules()}
    assert set(before.values()) == {True, False}
    system.similarity(CAPTIONS, PICTURES)
    assert {name: part.training for name, part in system.model.named_modules()} == before
    with pytest.raises(DataError):
        system.encode_images(["gone.png"])
    assert {name: part.training for name, part in system.model.named_modules()} == before
