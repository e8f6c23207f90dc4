import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.minipedes.people import CLOTHING_FACTORS, IDENTITY_FACTORS
from tbpsbench.probes.labels import attributes_of, shot_of, shown_value
from tbpsbench.types import ImageRecord

FACTORS = (*IDENTITY_FACTORS, *CLOTHING_FACTORS)
SHOT = {"view": "front", "place": "park", "lighting": "normal", "occluder": "none"}


def image(pid, visible=(), **values):
    """A record that shows the factors named in `visible` and those given a value other than "none"."""
    attributes = dict.fromkeys(FACTORS, "none") | SHOT | values
    shown = [name for name in FACTORS if attributes[name] != "none" and name in (visible or values)]
    return ImageRecord(0, f"{pid}.png", pid, "test", (), attributes=attributes | {"visible": shown})


def test_only_images_that_show_an_attribute_are_asked():
    records = [image(pid, sex="man" if pid % 2 else "woman") for pid in range(4)]
    records.append(image(9, visible=("age",), sex="man", age="young"))
    (sex,), _ = attributes_of(records, min_persons=2)
    assert sex.row_M.tolist() == [0, 1, 2, 3]
    assert [sex.classes[label] for label in sex.label_M] == ["woman", "man", "woman", "man"]
    assert (sex.side, sex.chance) == ("identity", 0.5)


def test_absence_is_an_answer_where_the_view_would_show_the_thing():
    bare = image(0).attributes
    assert shown_value("glasses", bare) == "none"
    assert shown_value("glasses", bare | {"view": "back"}) is None
    assert shown_value("hat", bare | {"view": "back"}) == "none"
    # "which colour is the hat?" has no answer without a hat, nor has "which sex?" where it is not seen.
    assert shown_value("hat_colour", bare) is None
    assert shown_value("sex", bare | {"sex": "man"}) is None


def test_values_that_the_view_gives_away_are_asked_only_where_all_show_alike():
    worn = image(0, upper_pattern="plain", upper="shirt").attributes
    assert shown_value("upper_pattern", worn) == "plain"
    assert shown_value("upper_pattern", worn | {"view": "back"}) is None
    assert shown_value("upper", worn | {"view": "back"}) == "shirt"


def test_rare_values_are_left_out_by_persons_not_images():
    records = [image(pid, build="slim") for pid in range(3)] + [image(pid, build="heavy") for pid in range(3, 6)]
    records += [image(9, build="broad")] * 50
    (build,), not_probed = attributes_of(records, min_persons=3)
    assert dict(zip(build.classes, build.persons, strict=True)) == {"heavy": 3, "slim": 3}
    assert build.left_out == {"broad": 1}
    assert len(build.row_M) == 6
    assert not_probed["sex"] == "fewer than two values with 3 persons each (none shown)"
    assert "none 7" in not_probed["hat"]
    assert {"build", *not_probed} == set(FACTORS)


def test_data_without_attributes_are_refused():
    with pytest.raises(DataError, match=r"7\.png: no ground-truth attributes"):
        attributes_of([ImageRecord(0, "7.png", 7, "test", ())], min_persons=2)


def test_control_holds_how_the_picture_was_taken():
    shot_NS = shot_of([image(0), image(1, view="back"), image(2, sex="man")])
    assert np.array_equal(shot_NS[0], shot_NS[2])
    assert not np.array_equal(shot_NS[0], shot_NS[1])
    assert shot_NS.shape == (3, 5)
