import json
from dataclasses import replace

import pytest

from tbpsbench.errors import LeakError
from tbpsbench.metrics.leaks import TrainingTexts, check_leaks, leaks
from tbpsbench.types import Caption

QUERY = Caption("A man in a red coat.", "query", image_id=0, source="human", split="test", caption_id=0)
OTHER_QUERY = Caption("A woman with a bag.", "query", image_id=1, source="human", split="test", caption_id=1)
QUERIES = [QUERY, OTHER_QUERY]
GALLERY = Caption("Red coat, dark trousers.", "description", image_id=0, source="mtg", split="test", caption_id=7)
TRAIN = Caption("A boy with a cap.", "query", image_id=20, source="human", split="train", caption_id=30)


def made_from(parent, text, **changes):
    """A text of another image that was made from `parent`."""
    return replace(TRAIN, text=text, derived_from=parent.sha256, **changes)


def trained(*captions, pids=None, population="people"):
    """What the guard knows of training texts."""
    return TrainingTexts.of(zip(captions, pids or [5] * len(captions), strict=True), population)


def test_honest_evaluation_has_no_leak():
    known = {"training": trained(TRAIN), "population": "people", "test_pids": {0, 1}}
    assert check_leaks(queries=QUERIES, gallery_texts=[GALLERY], **known) == []


@pytest.mark.parametrize("text", [QUERY.text, "  a MAN in a\tred  coat. "])
def test_gallery_text_that_equals_a_query_is_a_leak(text):
    # Whose image it stands for does not matter.
    for image in (0, 1):
        (message,) = leaks(queries=QUERIES, gallery_texts=[replace(GALLERY, text=text, image_id=image)])
        assert "gallery text equals a test query" in message
        assert f"caption 7 of image {image} (mtg, test)" in message


def test_gallery_text_made_from_a_query_is_a_leak():
    (message,) = leaks(queries=QUERIES, gallery_texts=[GALLERY, replace(GALLERY, derived_from=QUERY.sha256)])
    assert "gallery text was made from a test query (1)" in message


def test_gallery_text_made_from_a_query_by_way_of_another_text_is_a_leak():
    between = made_from(QUERY, "Somebody in red.", split="test")
    last = replace(GALLERY, derived_from=between.sha256)
    assert "made from a test query (2)" in leaks(queries=QUERIES, gallery_texts=[between, last])[0]
    assert leaks(queries=QUERIES, gallery_texts=[last]) == []


def test_training_text_of_a_test_identity_is_a_leak():
    known = trained(TRAIN, TRAIN, pids=[5, 1])
    (message,) = leaks(queries=QUERIES, training=known, population="people", test_pids={0, 1})
    assert "training text describes a test identity (1): identity 1" in message
    assert leaks(queries=QUERIES, training=known, population="other people", test_pids={0, 1}) == []


def test_training_text_made_from_a_test_query_is_a_leak():
    (message,) = leaks(queries=QUERIES, training=trained(TRAIN, made_from(QUERY, "Red coat, man.", caption_id=31)))
    assert "training text was made from a test query (1)" in message
    assert "caption 31 of image 20" in message


def test_training_caption_that_reads_like_a_query_is_no_leak():
    coincidence = replace(TRAIN, text=QUERY.text)
    rewritten = made_from(coincidence, "Man, red coat.")
    known = trained(coincidence, rewritten)
    assert leaks(queries=QUERIES, training=known, population="people", test_pids={0, 1}) == []


def test_rewritten_query_is_a_leak_although_another_person_has_the_same_caption():
    coincidence = replace(TRAIN, text=QUERY.text)
    stolen = made_from(QUERY, "Man, red coat.", image_id=21)
    assert "made from a test query (1)" in leaks(queries=QUERIES, training=trained(coincidence, stolen))[0]


def test_query_with_an_image_is_a_leak():
    (message,) = leaks(queries=QUERIES, query_images=True)
    assert "encoded together with an image" in message


def test_guard_lists_every_leak_and_names_the_switch():
    everything = {
        "queries": QUERIES,
        "gallery_texts": [replace(GALLERY, text=QUERY.text, derived_from=OTHER_QUERY.sha256)],
        "training": trained(made_from(QUERY, "Red."), pids=[0]),
        "population": "people",
        "test_pids": {0},
        "query_images": True,
    }
    with pytest.raises(LeakError) as raised:
        check_leaks(**everything)
    for part in ("5 kinds", "equals", "gallery text was made", "describes", "training text was made", "together"):
        assert part in str(raised.value)
    assert "--allow-leak" in str(raised.value)
    assert check_leaks(**everything, allow_leak=True) == leaks(**everything)
    assert len(leaks(**everything)) == 5


def test_long_lists_are_counted_and_cut():
    copies = [replace(GALLERY, text=QUERY.text, caption_id=number) for number in range(12)]
    (message,) = leaks(queries=QUERIES, gallery_texts=copies)
    assert "(12)" in message
    assert "and 7 more" in message
    assert "caption 11 " not in message


def test_what_the_guard_knows_survives_a_checkpoint_and_holds_no_text():
    known = trained(TRAIN, made_from(QUERY, "Red coat, man."), pids=[7, 5])
    plain = known.to_plain()
    assert TrainingTexts.from_plain(json.loads(json.dumps(plain))) == known
    assert "Red coat" not in str(plain)
    assert TRAIN.text not in str(plain)
