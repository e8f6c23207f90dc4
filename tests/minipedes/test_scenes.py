import numpy as np
import pytest

from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.geometry import CARRIED, Figure, body, figure, sizes
from tbpsbench.minipedes.people import sample_outfit, sample_person
from tbpsbench.minipedes.places import boxed
from tbpsbench.minipedes.scenes import draw_image
from tbpsbench.minipedes.shots import CAMERAS, sample_shot

SCENES = [draw_image(0, pid, "A", index) for pid in range(14) for index in range(3)]


def test_images_are_192_by_96_and_differ():
    assert {scene.pixels.shape for scene in SCENES} == {(192, 96, 3)}
    assert len({scene.pixels.tobytes() for scene in SCENES}) == len(SCENES)


def test_the_same_image_is_drawn_again_in_any_order():
    for pid, index in ((5, 2), (0, 0), (5, 1)):
        again = draw_image(0, pid, "A", index)
        assert np.array_equal(again.pixels, SCENES[pid * 3 + index].pixels)
        assert again.attributes == SCENES[pid * 3 + index].attributes


def test_first_three_images_show_three_views_from_three_cameras():
    for pid in range(14):
        shots = [SCENES[pid * 3 + index].shot for index in range(3)]
        assert {shot.view for shot in shots} == {"front", "back", "side"}
        assert len({shot.camera for shot in shots}) == 3


def test_back_views_hide_face_print_and_glasses():
    for scene in SCENES:
        if scene.shot.view == "back":
            assert not {"beard", "glasses", "inner_colour"} & set(scene.visible)
            if scene.outfit.upper_pattern == "print":
                assert "upper_pattern" not in scene.visible


def test_visible_factors_are_present_ones():
    for scene in SCENES:
        assert scene.visible
        assert all(scene.attributes[name] != "none" for name in scene.visible)


def test_a_hat_hides_short_hair():
    hatted = [s for s in SCENES if s.outfit.hat != "none" and s.person.hair_style in ("short", "cropped", "bald")]
    assert hatted
    assert all("hair_style" not in scene.visible for scene in hatted)


def test_domains_have_other_places_and_pixels():
    street, indoor = SCENES[0], draw_image(0, 0, "A", 0, "indoor")
    assert street.person == indoor.person
    assert not np.array_equal(street.pixels, indoor.pixels)
    assert not {c.place for c in CAMERAS["street"]} & {c.place for c in CAMERAS["indoor"]}


def test_tall_people_are_drawn_taller_and_children_smaller():
    heights = {"short": [], "average": [], "tall": [], "child": []}
    for pid in range(200):
        person = sample_person(0, pid)
        shot = sample_shot(0, pid, "A", 0, sample_outfit(0, pid, "A"))
        heights["child" if person.age == "child" else person.height].append(sizes(person, shot, 100))
    assert max(heights["child"]) < min(heights["short"])
    assert max(heights["short"]) < min(heights["tall"])


def test_heavy_people_are_wider_than_slim_ones():
    people = [sample_person(0, pid) for pid in range(300)]
    waist = {build: [body(p).waist_w for p in people if p.build == build] for build in ("slim", "heavy")}
    assert max(waist["slim"]) < min(waist["heavy"])


@pytest.mark.parametrize("radius", [1, 2])
def test_box_blur_equals_the_mean_over_the_window(radius):
    image = Dice(0, "blur").bytes(9 * 7 * 3).reshape(9, 7, 3).astype(np.int64)
    padded = np.pad(image, ((0, 0), (radius, radius), (0, 0)), mode="edge")
    size = 2 * radius + 1
    expected = (sum(padded[:, i : i + 7] for i in range(size)) + size // 2) // size
    assert np.array_equal(boxed(image, radius, (1,)), expected)


def test_colours_of_an_outfit_stay_the_same_over_its_images():
    person, outfit = sample_person(0, 3), sample_outfit(0, 3, "A")
    drawn = [figure(None, 0, 3, "A", person, outfit, sample_shot(0, 3, "A", index, outfit)) for index in range(4)]
    assert isinstance(drawn[0], Figure)
    assert len({(f.skin, f.hair, f.upper, f.lower, f.shoes, f.face) for f in drawn}) == 1
    assert CARRIED == 13
