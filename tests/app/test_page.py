"""What a person can do, through the forms that the page has."""

import re
from html import unescape

import pytest
from app_person import QUERY, tokens

NOT_USED = "Not used"


def question(page):
    return unescape(re.search(r'<h2 id="question">(.*?)</h2>', page.text)[1])


def slot(page):
    return re.search(r'name="slot" value="([^"]*)"', page.text)[1]


def refined(page):
    return unescape(re.search(r'<textarea id="refined"[^>]*>(.*?)</textarea>', page.text, re.DOTALL)[1])


def settled(page):
    """The page without the sentence on what has happened."""
    text = re.sub(r'data-announce="[^"]*"', "", page.text)
    return re.sub(r'<p class="notice.*?</p>\n', "", text)


@pytest.fixture
def begun(person):
    """Somebody who has searched, and the page that they see."""
    someone = person()
    return someone, someone.post("/search", query=QUERY)


def test_a_search_shows_the_best_pictures_with_similarities_and_a_question(begun, systems):
    someone, page = begun
    assert page.status_code == 200
    assert len(set(tokens(page.text))) == 24
    found = [float(text) for text in re.findall(r"similarity (-?\d\.\d{3})", page.text)]
    hits = systems[1].searched[0].gallery.search([QUERY], k=24)[0]
    assert found == [round(hit.score, 3) for hit in hits]
    assert re.findall(r"<b>#(\d+)</b>", page.text) == [str(rank) for rank in range(1, 25)]
    assert "?" in question(page)
    assert refined(page) == QUERY
    picture = someone.get(f"/picture/{tokens(page.text)[0]}")
    assert picture.headers["content-type"] == "image/jpeg"


def test_the_page_knows_no_path_no_name_of_a_file_and_no_number(begun, photos, indexes):
    someone, page = begun
    whole = someone.get("/").text
    for told in ("photos", "onerror", "01.png", ".png", str(photos.parent), str(indexes[0]), "tiny-0"):
        assert told not in page.text
        assert told not in whole
    # What names a picture is drawn anew for every visitor and says nothing.
    assert all(re.fullmatch("[0-9a-f]{24}", token) for token in tokens(page.text))


def test_an_answer_refines_the_query_and_leads_to_the_next_question(begun):
    someone, page = begun
    after = someone.post("/answer", slot=slot(page), answer="She carries a black backpack")
    assert "backpack" in refined(after)
    assert refined(after).startswith(QUERY)
    assert question(after) != question(page)
    assert re.search(r"#\d+ → <b>#\d+</b>", after.text), "some picture has changed its place"
    assert "She carries a black backpack" in after.text


def test_changes_of_rank_are_those_of_the_scores(begun, systems):
    import numpy as np

    someone, page = begun
    after = someone.post("/answer", slot=slot(page), answer="She carries a black backpack")
    searched = systems[1].searched[0]
    base_G, refined_G = searched.gallery.similarities(QUERY)[0], searched.gallery.similarities(refined(after))[0]
    now_G = np.float32(0.8) * base_G + np.float32(0.2) * refined_G
    was_G = np.argsort(np.argsort(-base_G, kind="stable"), kind="stable") + 1
    expected = [(int(was_G[position]), rank) for rank, position in enumerate(np.argsort(-now_G, kind="stable")[:24], 1)]
    shown = re.findall(r"#(\d+) → <b>#(\d+)</b>|<b>#(\d+)</b>", after.text)
    assert [(int(was or same), int(rank or same)) for was, rank, same in shown] == expected


@pytest.mark.parametrize("reply", ["I don't know", "not visible", "a red coat"])
def test_an_answer_that_says_nothing_new_changes_nothing_but_is_not_asked_again(begun, reply):
    someone, page = begun
    after = someone.post("/answer", slot=slot(page), answer=reply)
    assert refined(after) == QUERY
    assert tokens(after.text) == tokens(page.text)
    assert question(after) != question(page)
    assert NOT_USED in after.text


def test_the_person_comes_first_and_a_rejected_picture_leaves(begun):
    someone, page = begun
    tenth, first = tokens(page.text)[9], tokens(page.text)[0]
    after = someone.post("/person", picture=tenth)
    assert tokens(after.text)[0] == tenth
    assert "#10 → <b>#1</b>" in after.text
    assert "Marked as the person" in after.text
    after = someone.post("/aside", picture=first)
    assert first not in tokens(after.text)
    assert "Set aside (1)" in after.text
    # It may be the person after all, in the place of the other one.
    after = someone.post("/person", picture=first)
    assert tokens(after.text)[0] == first
    assert after.text.count("Marked as the person") == 1
    assert "Set aside" not in after.text
    # The person is rejected: nobody is marked.
    after = someone.post("/aside", picture=first)
    assert "Marked as the person" not in after.text


def test_every_step_can_be_undone(begun):
    someone, page = begun
    pages = [page]
    pages.append(someone.post("/person", picture=tokens(page.text)[4]))
    pages.append(someone.post("/aside", picture=tokens(page.text)[0]))
    pages.append(someone.post("/answer", slot=slot(page), answer="She carries a black backpack"))
    pages.append(someone.post("/answer", slot=slot(pages[-1]), answer="I don't know"))
    pages.append(someone.post("/refine", text="a woman in a blue coat"))
    assert refined(pages[-1]) == "a woman in a blue coat"
    for before in reversed(pages[:-1]):
        assert settled(someone.post("/undo")) == settled(before)
    after = someone.post("/undo")
    assert after.status_code == 200
    assert "nothing to undo" in after.text


@pytest.mark.parametrize("text", ["", "   \n ", "x" * 4001, "a\0b"])
def test_a_text_that_cannot_be_searched_is_refused_and_the_search_stays(begun, text):
    someone, page = begun
    for path, field in (("/refine", "text"), ("/search", "query"), ("/answer", "answer")):
        after = someone.post(path, **{field: text, "slot": slot(page)})
        assert after.status_code == 422, path
        assert 'class="notice error"' in after.text
        assert tokens(after.text) == tokens(page.text)


def test_words_that_a_system_has_no_room_for_are_named(begun, systems):
    someone, page = begun
    assert 'class="warning"' not in page.text
    room = systems[1].searched[0].gallery.system.tokenizer.max_length
    page = someone.post("/refine", text=" ".join(["a red coat"] * room) + " <b> at last")
    assert page.status_code == 200
    told = unescape(re.search(r'<p id="unread" class="warning">(.*?)</p>', page.text, re.DOTALL)[1])
    assert "Left out “" in told
    assert "red coat" in told
    assert "<b>" not in re.search(r'<p id="unread".*?</p>', page.text, re.DOTALL)[0]
    page = someone.post("/refine", text="a woman in a blue coat")
    assert 'class="warning"' not in page.text


def test_a_long_query_loses_no_answer(person):
    someone = person()
    page = someone.post("/search", query=" ".join(["a woman in a coat"] * 55))
    page = someone.post("/answer", slot=slot(page), answer="She has long red hair")
    assert page.status_code == 200
    assert refined(page).endswith("long red hair.")
    someone.post("/refine", text="x " * 1990)
    page = someone.get("/")
    after = someone.post("/answer", slot=slot(page), answer="She wears " + "very, " * 20 + "white sneakers")
    assert after.status_code == 422
    assert "The query with this answer has" in after.text
    assert question(after) == question(page)


def test_a_page_that_is_out_of_date_is_told_so(begun):
    someone, page = begun
    someone.post("/answer", slot=slot(page), answer="I don't know")
    again = someone.post("/answer", slot=slot(page), answer="She carries a black backpack")
    assert again.status_code == 422
    assert "no longer open" in again.text
    someone.post("/search", query="a man in jeans and a cap")
    assert someone.post("/person", picture="0" * 24).status_code == 422


def test_more_pictures_until_all_are_shown(begun):
    someone, page = begun
    after = someone.post("/more")
    assert tokens(after.text)[:24] == tokens(page.text)
    assert len(tokens(after.text)) == 40
    assert 'id="more"' not in after.text
    assert len(tokens(someone.post("/more").text)) == 40


def test_an_ended_search_is_gone(begun):
    someone, page = begun
    assert "Nothing has been searched yet" in someone.post("/forget").text
    assert someone.get(f"/picture/{tokens(page.text)[0]}").status_code == 404
    assert someone.post("/undo").status_code == 422
    assert someone.get("/export").status_code == 303


def test_the_page_works_without_scripts(person):
    someone = person()
    plain = someone.client.post(
        "/search", data={"query": QUERY}, headers={"origin": "http://127.0.0.1:8000"}, follow_redirects=False
    )
    assert (plain.status_code, plain.headers["location"]) == (303, "/")
    page = someone.get("/")
    assert "<!doctype html>" in page.text
    assert len(tokens(page.text)) == 24


def test_two_systems_take_the_same_turns(person):
    someone = person(2)
    page = someone.post("/search", query=QUERY)
    assert len(tokens(page.text)) == 48
    first, second = tokens(page.text)[:24], tokens(page.text)[24:]
    assert first != second, "two systems with different weights"
    # The place by the other system stands beside every picture's own.
    places = re.findall(r'<b>#(\d+)</b>\s*<span class="other">B: #(\d+)</span>', page.text)
    assert [int(place) for _, place in places if int(place) <= 24] == [
        second.index(token) + 1 for token in first if token in second
    ]
    after = someone.post("/person", picture=second[5])
    assert tokens(after.text)[0] == tokens(after.text)[24] == second[5]
    after = someone.post("/answer", slot=slot(after), answer="She carries a black backpack")
    assert "backpack" in refined(after)
    someone.post("/undo")
    after = someone.post("/undo")
    assert tokens(after.text) == tokens(page.text)
