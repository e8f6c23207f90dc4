import pytest
import torch
from torch.nn.functional import normalize

from tbpsbench.kernels import max_sim as module
from tbpsbench.kernels.max_sim import DIRECTIONS, max_sim


def drawn(texts=4, words=6, images=5, patches=7, width=8, masks=True, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    text = normalize(torch.randn(texts, words, width, generator=generator, dtype=dtype), dim=-1)
    image = normalize(torch.randn(images, patches, width, generator=generator, dtype=dtype), dim=-1)
    if not masks:
        return text, image, None, None
    text_mask = torch.arange(words) < torch.randint(1, words + 1, (texts, 1), generator=generator)
    image_mask = torch.rand(images, patches, generator=generator) < 0.5
    image_mask[:, 2] = True
    return text, image, text_mask, image_mask


def by_loops(text, image, text_mask, image_mask, direction):
    found = torch.empty(len(text), len(image), dtype=text.dtype)
    for q in range(len(text)):
        for g in range(len(image)):
            words = text[q] if text_mask is None else text[q][text_mask[q]]
            patches = image[g] if image_mask is None else image[g][image_mask[g]]
            product = words @ patches.T
            ways = {"text": product.amax(1).mean(), "image": product.amax(0).mean()}
            found[q, g] = (ways["text"] + ways["image"]) / 2 if direction == "both" else ways[direction]
    return found


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("masks", [True, False])
def test_equals_loops(direction, masks):
    given = drawn(masks=masks)
    torch.testing.assert_close(max_sim(*given, direction), by_loops(*given, direction))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_blocks_change_nothing(direction, monkeypatch):
    given = drawn(images=9)
    whole = max_sim(*given, direction)
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    torch.testing.assert_close(max_sim(*given, direction), whole)
    monkeypatch.setattr(module, "TRACKED_BYTES", 1)
    for side in given[:2]:
        side.requires_grad_()
    torch.testing.assert_close(max_sim(*given, direction), whole)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_gradients(direction):
    text, image, text_mask, image_mask = drawn(texts=2, words=3, images=3, patches=4, width=3)
    text.requires_grad_()
    image.requires_grad_()
    assert torch.autograd.gradcheck(lambda t, i: max_sim(t, i, text_mask, image_mask, direction), (text, image))


def test_equal_sets_get_equal_similarities_wherever_they_stand():
    text, image, *_ = drawn(texts=300, words=5, images=1, patches=7, width=31, masks=False, dtype=torch.float32)
    scores = max_sim(text[:1].expand(300, -1, -1), image.expand(500, -1, -1), None, None, "both")
    assert scores.unique().numel() == 1


def test_an_empty_set_is_refused():
    text, image, text_mask, image_mask = drawn()
    with pytest.raises(ValueError, match="a text has no vector"):
        max_sim(text, image, torch.zeros_like(text_mask), image_mask)
    with pytest.raises(ValueError, match="an image has no vector"):
        max_sim(text, image, text_mask, torch.zeros_like(image_mask))


def test_no_images_and_no_texts():
    text, image, *_ = drawn(masks=False)
    assert max_sim(text, image[:0]).shape == (4, 0)
    assert max_sim(text[:0], image).shape == (0, 5)
