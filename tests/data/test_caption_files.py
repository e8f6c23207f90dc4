"""One way to name texts; a search is asked the data set's own captions, whatever training is shown."""

from dataclasses import replace

import pytest

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.config.caption_files import caption_source
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.data.sources import described, only_trained_on, open_sources
from tbpsbench.data.styled import style_captions, style_texts
from tbpsbench.data.texts import TextStore, role_texts
from tbpsbench.errors import DataError
from tbpsbench.metrics.leaks import leaks
from tbpsbench.testing import WordTokenizer
from tbpsbench.types import Caption


@pytest.fixture
def component(mini):
    return {"type": "MiniPEDES", "root": str(mini), "size": "tiny"}


@pytest.fixture
def made(component):
    """A caption file for the training images: its path, and a way to write it with another header."""
    human = MiniPEDES(root=component["root"], size="tiny").load()
    path = human.path.with_name("made-here.jsonl")

    def write(records=None, **captioner):
        texts = []
        for record in human.records:
            text = f"somebody number {record.image_id}"
            own = Caption(text, "query", record.image_id, "x", record.split, record.image_id)
            texts.append(replace(record, attributes={}, captions=(own,) if record.split == "train" else ()))
        made_from = {**human.header["made_from"], "captioner": {"source": "mtg", **captioner}}
        return write_annotations(path, "MiniPEDES", "made-here", records or texts, made_from=made_from)

    yield write
    path.unlink(missing_ok=True)


def test_names_of_sources_and_of_files():
    assert caption_source("human") == {"type": "human"}
    assert caption_source("mtg") == {"type": "mtg"}
    assert caption_source("mtg-qwen") == {"type": "file", "name": "mtg-qwen"}
    assert caption_source({"type": "mtg", "name": "x"}) == {"type": "mtg", "name": "x"}


def test_training_is_shown_the_file_and_a_search_is_asked_the_own_captions(component, made):
    path = made()
    sources = open_sources(component, "made-here")
    assert sources.annotations.path.name == "human.jsonl"
    assert sources.shown.path == path
    assert {caption.source for caption, _ in sources.training_captions()} == {"made-here"}
    roles = {source["role"]: source for source in sources.provenance()["sources"]}
    assert list(roles) == ["captions", "training"]
    assert roles["training"]["file"] == "made-here.jsonl"
    assert roles["training"]["made_from"]["captioner"]["source"] == "mtg"
    assert only_trained_on("training")
    assert not only_trained_on("captions")


def test_evaluation_alone_needs_no_caption_file(component):
    sources = open_sources(component, "not-there", training=False)
    assert sources.shown.path.name == "human.jsonl"
    with pytest.raises(DataError, match=r"not-there\.jsonl: no such file"):
        open_sources(component, "not-there")


def test_own_captions_are_as_before(component):
    sources = open_sources(component, "human")
    assert sources.training is None
    assert sources.shown is sources.annotations
    assert [source["role"] for source in sources.provenance()["sources"]] == ["captions"]


def test_every_key_takes_the_same_names(component, made):
    path = made()
    sources = open_sources(component, "human", "made-here", descriptions="descriptions", more_captions=["made-here"])
    assert sources.gallery_texts.path == path
    assert sources.more_captions[0].path == path
    assert sources.descriptions.path.name == "descriptions.jsonl"


def test_a_file_for_other_images_is_refused(component, made):
    made(records=read_annotations(MiniPEDES(root=component["root"], size="tiny").root / "human.jsonl").records[:4])
    with pytest.raises(DataError, match="made for other annotations: it lists 4 images"):
        open_sources(component, "made-here")


def test_a_style_that_was_named_by_a_test_query_is_a_leak(component, made):
    """The header tells which captions stand behind a style; what is learnt in it is learnt from them."""
    human = MiniPEDES(root=component["root"], size="tiny").load()
    train = human.split("train")[0].captions[0]
    test = next(c for r in human.split("test") for c in r.captions if c.sha256 not in _shas(human, "train"))
    queries = [caption for record in human.split("test") for caption in record.captions]

    def style(number, caption):
        return {"number": number, "size": 9, "prompt": f"Use style {number}.", "made_from": [caption.sha256]}

    made(styles=[style(0, train)])
    sources = open_sources(component, "made-here")
    assert [text.own for text in style_texts(sources.shown, sources.annotations)] == [True]
    assert leaks(queries=queries, training=sources.training_texts()) == []
    made(styles=[style(0, train), style(1, test)])
    sources = open_sources(component, "made-here")
    (message,) = leaks(queries=queries, training=sources.training_texts())
    assert message.startswith("training text was made from a test query (1): the style ")
    gallery = open_sources(component, "human", "made-here")
    assert style_captions(gallery.gallery_texts, human)
    texts = gallery.texts_of_gallery(human.split("test"))
    assert any(
        "gallery text was made from a test query" in found for found in leaks(queries=queries, gallery_texts=texts)
    )


def test_damaged_styles_are_passed_over(component, made):
    for styles in ("x", [1, {"made_from": "x"}, {"prompt": 3}], None):
        made(styles=styles)
        assert open_sources(component, "made-here").training_texts().made == ()


def _shas(human, split):
    return {caption.sha256 for record in human.split(split) for caption in record.captions}


def test_images_that_a_describer_failed_on_are_left_out_of_training(component, made):
    """Generated descriptions have gaps; those that people wrote must be whole."""
    human = MiniPEDES(root=component["root"], size="tiny").load()
    first = human.split("train")[0]
    texts, number = [], 0
    for record in human.records:
        captions = []
        for role in ("identity", "clothing") if record.split == "train" and record != first else ():
            captions.append(Caption(f"a {role}", role, record.image_id, "x", record.split, number))
            number += 1
        texts.append(replace(record, attributes={}, captions=tuple(captions)))
    made(records=texts)
    descriptions = open_sources(component, "human", descriptions="made-here").descriptions
    shown = described(human, descriptions)
    assert [r.image_id for r in shown.split("train") if not r.captions] == [first.image_id]
    assert shown.split("test") == human.split("test")
    assert described(human, None) is human
    whole = open_sources(component, "human", descriptions="descriptions").descriptions
    assert described(human, whole) is human
    store = TextStore(WordTokenizer())
    needed = {i for i, r in enumerate(shown.split("train")) if r.captions}
    roles = role_texts(shown.split("train"), [descriptions], store, needed=needed)
    assert set(roles) == {"identity", "clothing"}
    with pytest.raises(DataError, match="1 problem"):
        role_texts(shown.split("train"), [descriptions], store)


def test_a_file_that_was_made_for_other_splits_is_refused(component, made):
    """Its training images would be others than those that the record counts."""
    path = made()
    records = read_annotations(path).records
    moved = next(r for r in records if r.split == "train")
    pid = moved.pid
    lines = [replace(r, split="val", captions=tuple(replace(c, split="val") for c in r.captions)) if r.pid == pid else r
             for r in records]  # fmt: skip
    made(records=lines)
    with pytest.raises(DataError, match=r"made for other splits: .* is in 'val' there, and in 'train' by now"):
        open_sources(component, "made-here")
