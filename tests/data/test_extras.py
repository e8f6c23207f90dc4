"""What a data set knows of its images becomes tensors; what cannot is refused with the image or the reason."""

import numpy as np
import pytest
import torch

from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.data.extras import Extras
from tbpsbench.errors import DataError
from tbpsbench.types import ImageRecord

ATTRIBUTES = [
    {"gender": "woman", "age": 31, "height": 1.7, "hat": True, "points": [[1, 2], [3, 4]], "mixed": 1, "words": ["a"]},
    {"gender": "man", "age": 40, "height": 2, "hat": False, "points": [[5, 6], [7, 8]], "mixed": "b", "words": []},
    {"gender": "man", "age": 8, "height": 1.1, "hat": False, "points": [[0, 0], [0, 1]], "mixed": 2, "words": ["b"]},
]


class Toy(PersonSearchDataset):
    name, arrays = "Toy", ("mask", "ragged", "text")

    def prepare(self, *, splits_file=None, allow_partial=False):
        raise NotImplementedError

    def array(self, name, record):
        size = 4 + record.image_id if name == "ragged" else 4
        return np.array(["x"]) if name == "text" else np.full((size, 2), record.image_id, dtype=np.uint8)


def records(attributes=ATTRIBUTES):
    return [ImageRecord(i, f"{i}.png", i, "train", (), 3 + i, "A", found) for i, found in enumerate(attributes)]


def extras(*names, attributes=ATTRIBUTES):
    return Extras(Toy("/nowhere"), records(attributes), names)


@pytest.mark.parametrize(
    ("name", "expected", "dtype"),
    [
        ("gender", [1, 0, 0], torch.int64),
        ("age", [31, 40, 8], torch.int64),
        ("height", [1.7, 2.0, 1.1], torch.float32),
        ("hat", [1, 0, 0], torch.int64),
        ("camera", [3, 4, 5], torch.int64),
        ("outfit", [0, 0, 0], torch.int64),
        ("points", [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[0, 0], [0, 1]]], torch.float32),
        ("mask", [[[i, i]] * 4 for i in range(3)], torch.uint8),
    ],
)
def test_values_become_tensors(name, expected, dtype):
    found = extras(name)
    stacked = torch.stack([found.of(position)[name] for position in range(3)])
    assert stacked.dtype == dtype
    assert torch.equal(stacked, torch.tensor(expected, dtype=dtype))


def test_codes_are_told():
    found = extras("gender", "age", "outfit")
    assert found.values == {"gender": ("man", "woman"), "outfit": ("A",)}
    assert found.facts == {"num_gender": 2, "num_outfit": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gendr", "no image of Toy has the attribute 'gendr'. There are: age, camera, gender, hat, height, mask"),
        ("mixed", "'mixed' cannot be batched: its values are of the kinds int, str"),
        ("words", "'words' cannot be batched: its values are of the kinds list"),
        ("text", "extra 'text' of 0.png: <U1 is no array of numbers"),
    ],
)
def test_what_is_no_tensor_is_refused(name, message):
    with pytest.raises(DataError, match=message):
        extras(name)


def test_arrays_of_another_shape_are_named():
    found = extras("ragged")
    with pytest.raises(DataError, match=r"extra 'ragged' of 2.png has the shape \(6, 2\), others have \(4, 2\)"):
        found.of(2)


def test_images_without_the_attribute_are_listed():
    with pytest.raises(DataError, match=r"image '1.png' has no attribute 'age' \(data.extras\)"):
        extras("age", attributes=[ATTRIBUTES[0], {"age": None}, ATTRIBUTES[2]])
