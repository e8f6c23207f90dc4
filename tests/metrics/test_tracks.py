import pytest

from tbpsbench.metrics.tracks import track_of
from tbpsbench.types import Caption

GALLERY = Caption("Red coat, dark trousers.", "description", image_id=0, source="mtg", split="test", caption_id=7)


@pytest.mark.parametrize(
    ("passed", "track"),
    [
        ({}, "dual-encoder"),
        ({"gallery_texts": []}, "dual-encoder"),
        ({"gallery_texts": [GALLERY]}, "gallery-text"),
        ({"gallery_texts": [GALLERY], "reranker": True}, "rerank"),
        ({"reranker": True, "answerer": "anchor"}, "interactive"),
        ({"answerer": "witness"}, "interactive-witness"),
        ({"answerer": "oracle"}, "interactive-witness"),
    ],
)
def test_track_follows_from_what_was_passed(passed, track):
    assert track_of(**passed) == track
