"""Styles come from training captions alone; images are described in them, identity and clothing apart."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from tbpsbench.captions import embedding
from tbpsbench.captions.ask import Asker, Decoding
from tbpsbench.captions.generated import Study
from tbpsbench.captions.style_clustered import StyleClustered
from tbpsbench.captions.styles import Style, StyleBook, in_words
from tbpsbench.errors import ConfigError, LeakError
from tbpsbench.mllm.errors import ItemError

KMEANS = {"type": "KMeans", "clusters": 3}


@pytest.fixture(autouse=True)
def quick_embedder(monkeypatch):
    """Length and punctuation instead of a text tower: enough to tell MiniPEDES' styles apart."""

    def embed(texts):
        return np.array(
            [[len(text), 9 * text.count(","), 30 * text.count(":"), 30 * text.count(".")] for text in texts]
        )

    monkeypatch.setattr(embedding, "open_embedder", lambda config: embed)


@pytest.fixture
def study(human, client, tmp_path):
    def run(source, captions=None, folder=None, replies=None):
        client.replies, client.asked[:] = replies or {}, []
        clients = dict.fromkeys(("mllm", "describer", "masker"), client)
        train = [caption for record in human.split("train") for caption in record.captions]
        folder = folder or tmp_path / source.name
        folder.mkdir(exist_ok=True)
        asker = Asker(clients, Decoding())
        asyncio.run(source.study(Study(human, folder, asker, train if captions is None else captions)))
        return source

    return run


def test_styles_are_named_and_remembered(study, client, tmp_path):
    source = study(StyleClustered(clusterer=KMEANS))
    styles = source.book.styles
    assert len(styles) == 3
    assert sum(style.size for style in styles) == source.book.found_in["captions"] == 72
    assert all(style.prompt == "Use a plain style." and len(style.examples) <= 5 for style in styles)
    assert [request.task for request in client.asked] == ["style"] * 3
    examples = "\n".join(text for style in styles for text in style.examples).lower()
    assert not any(word in examples for word in ("jeans", "t-shirt", "woman", " red", "blond"))
    again = StyleClustered(clusterer=KMEANS)
    study(again, folder=tmp_path / source.name)
    assert again.book == source.book
    assert client.asked == []
    study(StyleClustered(clusterer=KMEANS, seed=1), folder=tmp_path / source.name)
    assert len(client.asked) == 3  # other styles


def test_styles_of_test_captions_are_refused(study, human):
    train = [caption for record in human.split("train") for caption in record.captions]
    for split in ("test", "val", "test-clothes"):
        foreign = [caption for record in human.split(split) for caption in record.captions][:1]
        with pytest.raises(LeakError, match=f"of the split {split}"):
            study(StyleClustered(), captions=[*train, *foreign])


def test_identity_and_clothing_apart(study, caption):
    source = study(StyleClustered(clusterer=KMEANS, naming="words"))
    outcome, records, failures, asked = caption(source, images=6)
    assert (outcome.made, failures) == (6, [])
    for record in records:
        who, worn = record["texts"]
        assert (who["role"], worn["role"]) == ("identity", "clothing")
        assert who["style"] == worn["style"] in {style.number for style in source.book.styles}
        assert who["valid"]["ok"]
        assert worn["valid"]["ok"]
    assert len(asked) == 12
    prompts = {style.prompt for style in source.book.styles}
    for request in asked:
        assert request.texts[0] in prompts
        assert request.texts[0] in request.messages[0].text
        assert ("hair" in request.topic) == ("upper" not in request.topic)


def test_a_text_with_words_of_the_other_side_fails(study, caption):
    source = study(StyleClustered(clusterer=KMEANS, naming="words"))
    mixed = {"dual-clothing": "A young man in a red coat and blue jeans."}
    _, records, failures, asked = caption(source, images=2, replies=mixed)
    assert records == []
    assert {failure["reason"] for failure in failures} == {"side"}
    assert failures[0]["what"] == "clothing text"
    assert len([request for request in asked if request.prompt.startswith("dual-clothing")]) == 6


def test_a_slot_map_moves_the_hair(study, caption):
    source = study(StyleClustered(clusterer=KMEANS, naming="words", sides={"hair": "clothing", "bag": "none"}))
    _, _, _, asked = caption(source, images=1)
    who, worn = asked
    assert "hair" in worn.topic
    assert "hair" not in who.topic
    assert "bag" not in worn.topic
    with pytest.raises(ConfigError, match="no slot is called"):
        StyleClustered(sides={"shirt": "clothing"})


def test_whole_captions_in_different_styles(study, caption):
    source = study(StyleClustered(output="caption", clusterer=KMEANS, naming="examples"))
    _, records, failures, asked = caption(source, images=6)
    assert failures == []
    for record in records:
        one, two = record["texts"]
        assert one["role"] == two["role"] == "query"
        assert one["style"] != two["style"]
    assert all("must not be taken over" in request.messages[0].text for request in asked)


def test_masking_by_a_model(study, client):
    source = study(
        StyleClustered(clusterer=KMEANS, masking="model", naming="words", max_captions=10),
        replies={"mask": lambda request: f"masked {len(request.texts[0]) // 40}"},
    )
    assert len(client.asked) == 10
    assert all(not request.pictures for request in client.asked)
    assert all(text.startswith("masked") for style in source.book.styles for text in style.examples)


def test_a_caption_that_nobody_masks_is_masked_by_the_lexicon(study, client):
    def masked(request):
        return ItemError("content-filter", "no") if len(client.asked) == 3 else "masked"

    source = study(
        StyleClustered(clusterer=KMEANS, masking="model", naming="words", max_captions=10), replies={"mask": masked}
    )
    examples = [text for style in source.book.styles for text in style.examples]
    assert sum(not text.startswith("masked") for text in examples) == 1
    assert source.book.found_in["masked_by_words"] == 1
    away = ItemError("server-error", "no", retry_later=True)
    with pytest.raises(ItemError, match="server-error"):
        study(StyleClustered(name="away", clusterer=KMEANS, masking="model", naming="words"), replies={"mask": away})


def test_styles_are_drawn_as_often_as_they_are_written_in():
    styles = tuple(Style(number, size, f"style {number}", ("x",), ()) for number, size in ((0, 90), (1, 10)))
    book = StyleBook(styles, {})
    drawn = [book.draw(0, f"{image}.png").number for image in range(2000)]
    assert drawn == [book.draw(0, f"{image}.png").number for image in range(2000)]
    assert 0.07 < np.mean(drawn) < 0.13
    assert 0.45 < np.mean([book.draw(0, f"{i}.png", by_size=False).number for i in range(2000)]) < 0.55
    assert drawn != [book.draw(1, f"{image}.png").number for image in range(2000)]
    assert all({book.draw(0, f"{i}.png", turn).number for turn in (0, 1)} == {0, 1} for i in range(50))


def test_a_style_in_words():
    assert in_words(["person: x; hair: y", "person: z; top: w"]).startswith(
        "Use a very short style of about 4 words in "
    )
    assert "as a list of fields" in in_words(["person: x; hair: y", "person: z; top: w"])
    assert "with words of doubt" in in_words(["Probably a person. They seem to be there.", "Perhaps a person stands."])


def test_what_the_file_says_of_its_styles(study, tmp_path):
    source = study(StyleClustered(clusterer=KMEANS, naming="words"))
    about = StyleClustered(clusterer=KMEANS, naming="words").about(tmp_path / source.name)
    assert about == source.about(tmp_path / source.name)
    assert len(about["styles"][0]["made_from"][0]) == 64
    assert about["found_in"]["split"] == "train"
    assert replace(source.book, styles=()).about()["styles"] == []


def test_without_clusters_no_prompt_speaks_of_style(study, caption):
    source = study(StyleClustered(clusterer={"type": "none"}))
    (style,) = source.book.styles
    assert (style.prompt, style.made_from) == ("", ())
    outcome, records, _, _ = caption(source, images=2)
    assert outcome.made == len(records) == 2
