"""The page of a board in headless Chromium: mouse, keyboard, phone, dark, print, no JavaScript."""

import re
from dataclasses import astuple

import pytest

from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.board import marks_of, sorted_rows
from tbpsbench.leaderboard.render.numbers import quantity
from tbpsbench.leaderboard.render.rows import COSTS, Row, Score, rows_of

HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>bold</b>'
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def rows(bench):
    """27 measured systems in three tracks, one of them short of a seed, and rows of a paper on other data."""
    records = bench.make_records(81, 3)[:-1]
    records[0][1]["leaks"] = ["a gallery text equals a test query"]
    for _, record in records[:3]:
        record["name"] = HOSTILE
    shared = {"protocol": "standard", "track": "rerank", "selection": "unknown", "status": "reported"}
    cited = {"citation": "Doe, 2020", "source": "https://a.example/x@1, line 2"}
    paper = [
        Row("Paper", "Other", "Other", scores={"R@1": Score(50.0)}, **cited, **shared),
        Row("Bad link", "Other", "Other", scores={"mAP": Score(40.0)}, source="javascript:window.hacked=1", **shared),
        Row("Transfer", "Other", "Made-Up", scores={"R@1": Score(9.0)}, badges=("selected on test",), **shared),
    ]
    shared["status"] = "external"
    paper += [Row("Features", "Third", "Third", scores={}, badges=("external", "partial data"), **shared)]
    return dict(records), sorted_rows([*rows_of(records), *paper])


@pytest.fixture(scope="module")
def address(rows, tmp_path_factory):
    records, lines = rows
    folder = tmp_path_factory.mktemp("board")
    render(lines, records, folder, "A board", records_at="../records")
    return (folder / "index.html").as_uri()


@pytest.fixture
def open_page(browser, address):
    """Open the page in a fresh context; afterwards no error, request or script of a record may have been seen."""
    contexts, seen = [], []

    def open_(fragment="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("request", lambda request: None if request.url.startswith(address) else seen.append(request.url))
        page.goto(address + fragment)
        return page

    yield open_
    hacked = [page.evaluate("window.hacked") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert seen == []
    assert not any(hacked)


@pytest.fixture
def page(open_page):
    return open_page()


def names(page):
    return page.locator("#board button.open").all_text_contents()


def column(page, heading):
    """Texts of a column without the spread."""
    headings = [text.rstrip("▲▼") for text in page.locator("#board thead th").all_text_contents()]
    cells = page.locator(f"#board tbody tr > :nth-child({headings.index(heading) + 1})").all_text_contents()
    return [re.sub(r" ±.*| \(.*best\)", "", cell) for cell in cells]


def order(page, heading):
    return page.locator("#board thead th", has_text=heading).first.get_attribute("aria-sort")


def test_starts_with_the_measured_rows_best_first(page):
    assert page.locator("#count").text_content() == "27 of 58 rows"
    assert (page.input_value("#data"), page.input_value("#protocol")) == ("Made-Up", "standard")
    assert column(page, "R@1") == sorted(column(page, "R@1"), key=float, reverse=True)
    assert order(page, "R@1") == "descending"


def test_every_column_sorts_both_ways(page):
    page.check("#all")
    for heading in page.locator("#board thead button").all():
        heading.click()
        first = names(page)
        assert heading.locator("xpath=..").get_attribute("aria-sort") in ("ascending", "descending")
        heading.click()
        assert page.locator('#board th[aria-sort]:not([aria-sort="none"])').count() == 1
        assert sorted(names(page)) == sorted(first)
    for reverse in (True, False):
        page.locator("#board thead button", has_text="mAP").click()
        assert column(page, "mAP") == sorted(column(page, "mAP"), key=float, reverse=reverse)


def test_missing_scores_stay_last(open_page):
    page = open_page("#data=Other&protocol=standard")
    assert column(page, "R@1") == ["50.00", "9.00", "–"]
    page.locator("#board thead button", has_text="R@1").click()
    assert column(page, "R@1") == ["9.00", "50.00", "–"]


def test_search_and_filters_narrow_down(page):
    page.fill("#search", "FUSION deep")
    assert page.locator("#board tbody tr").count() == len(names(page)) > 0
    assert all("fusion" in name and "deep" in name for name in names(page))
    page.fill("#search", "nothing like this")
    assert page.locator("#board").inner_text().count("No row matches") == 1
    page.click("#reset")
    page.select_option("#track", "rerank")
    assert set(column(page, "Track")) == {"rerank"}
    page.select_option("#seeds", "complete")
    assert page.locator("#count").text_content() == "8 of 58 rows", "one of nine lacks a seed"
    page.click("#reset")
    page.select_option("#data", "")
    page.select_option("#status", "reported")
    assert sorted(names(page)) == ["Bad link", "Paper", "Transfer"]
    page.click("#reset")
    page.select_option("#protocol", "clothes-change")
    page.select_option("#data", "Other")
    assert names(page) == ["Paper", "Transfer", "Bad link"], "a protocol that the data lacks gives way"


def test_view_is_kept_in_the_address(open_page):
    page = open_page()
    page.select_option("#track", "rerank")
    page.fill("#search", "deep")
    page.locator("#board thead button", has_text="Parameters").click()
    page.wait_for_url("**search=deep**")
    again = open_page(page.url[page.url.index("#") :])
    assert (names(again), order(again, "Parameters")) == (names(page), "ascending")


def test_marks_and_numbers_are_those_of_the_other_formats(open_page, rows):
    page = open_page("#data=&protocol=&sort=system+1")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # all rows at once
    _, lines = rows
    shown = {}
    for line in page.locator("#board tbody tr").all():
        marks = {kind: line.locator(f".{kind}").all_text_contents() for kind in ("best", "second")}
        shown[int(line.get_attribute("data-row"))] = {k: [v.split(" (")[0] for v in m] for k, m in marks.items()}
    assert len(shown) == len(lines)
    for key in {(each.data, each.protocol) for each in lines}:
        places = [at for at, each in enumerate(lines) if (each.data, each.protocol) == key]
        marks = marks_of([lines[at] for at in places])
        for position, at in enumerate(places):
            for kind, values in shown[at].items():
                own = [name for (where, name), mark in marks.items() if where == position and mark == kind]
                assert sorted(values) == sorted(f"{lines[at].scores[name].mean:.2f}" for name in own)
    page.goto(page.url.split("#")[0] + "#data=Made-Up&protocol=standard&all=1&sort=system+1")
    page.reload()
    own = [each for each in lines if (each.data, each.protocol) == ("Made-Up", "standard")]
    for key in ("image_flops", "train_s", "images_per_s", "peak_memory_host"):
        heading, unit = COSTS[key]
        heading = "FLOPs" if key == "image_flops" else heading.capitalize()
        assert sorted(column(page, heading)) == sorted(quantity(each.cost[key], unit) for each in own)


def test_keyboard_alone_is_enough(page):
    def press(key, until, most=60):
        for _ in range(most):
            page.keyboard.press(key)
            if page.evaluate(f"document.activeElement.matches({until!r})"):
                return
        raise AssertionError(f"{until} is out of reach")

    press("Tab", "#search")
    page.keyboard.type("tower")
    assert all("tower" in name for name in names(page))
    press("Tab", "button[data-sort='mAP']")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus can be seen"
    page.keyboard.press("Enter")
    assert order(page, "mAP") == "descending"
    assert page.evaluate("document.activeElement.dataset.sort") == "mAP", "focus stays on the heading"
    press("Tab", "button.open")
    system = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    assert page.locator("#dialog-title").inner_text() == system
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("!document.activeElement.closest('main')"), "focus stays in the dialog"
    page.keyboard.press("Escape")
    assert not page.locator("#dialog").is_visible()
    assert page.evaluate("document.activeElement.textContent") == system, "focus returns"


def test_a_status_that_is_a_badge_too_is_shown_once(open_page):
    page = open_page("#data=Third&protocol=standard")
    row = page.locator("#board tbody tr")
    assert row.locator(".badge").all_text_contents() == ["partial data"]
    assert row.locator("th").inner_text().count("external") == 1
    row.locator("button.open").click()
    assert page.locator("#dialog .tags span").all_text_contents() == ["external", "partial data"]


def test_opened_row_shows_its_records(open_page, rows):
    page = open_page("#data=Made-Up&protocol=standard&search=system-00001")
    page.locator("#board tbody td").nth(2).click()
    text = page.locator("#dialog").inner_text()
    records, lines = rows
    row = next(each for each in lines if each.system.startswith("system-00001") and each.protocol == "standard")
    mean, std, low, high = (f"{value:.2f}" for value in astuple(row.scores["R@1"]))
    assert all(part in text for part in (mean, f"±{std}", f"{low} – {high}", "seed 2"))
    record = records[row.records[0]]
    hashes = record["checkpoint"]["sha256"], record["evidence"]["sha256"], record["code"]["commit"]
    assert all(part in text for part in (*hashes, "package-3 1.3.0"))
    links = page.locator("#detail a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert links[:2] == [f"../records/{row.records[0]}/record.json", f"../records/{row.records[0]}/ranks.npz"]
    page.locator("#detail summary", has_text="Config").click()
    assert f'"lr": {record["config"]["optimizer"]["lr"]}' in page.locator("#detail pre").text_content()
    page.click("#close")
    page.locator("#dialog").wait_for(state="hidden")


def test_only_web_addresses_become_links(open_page):
    page = open_page("#data=Other&protocol=standard")
    page.get_by_role("button", name="Bad link").click()
    assert "javascript:window.hacked=1" in page.locator("#detail").inner_text()
    assert page.locator("#detail a").count() == 0
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Paper").click()
    assert page.locator("#detail a").get_attribute("href") == "https://a.example/x"


def test_hostile_names_are_shown_as_they_are(open_page):
    page = open_page("#data=Made-Up&protocol=standard&search=script")
    assert names(page) == [HOSTILE]
    assert page.locator("#board .badge").all_text_contents() == ["leak allowed"]
    page.locator("#board button.open").click()
    assert page.locator("#dialog-title").text_content() == HOSTILE


def test_chart_by_keyboard(page):
    assert page.locator("#plot .point").count() == 27
    assert page.locator("#plot .point[tabindex='0']").count() == 1, "one stop for the tabulator"
    page.select_option("#cost", label="Images per second")
    page.select_option("#accuracy", label="mAP")
    page.locator("#plot .point[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert re.search(r"mAP \d+\.\d\d, images per second .*/s$", label)
    assert page.locator("#plot .tip strong").text_content() in label
    page.keyboard.press("Enter")
    assert page.locator("#dialog-title").text_content() == label.split(", ")[0]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == label
    page.select_option("#protocol", "")
    assert "Choose one data set and one protocol" in page.locator("#chart-note").text_content()


def test_phone_scrolls_down_only(open_page):
    page = open_page("#data=&protocol=&all=1", viewport=PHONE)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= PHONE["width"]
    assert page.evaluate("document.getElementById('box').scrollWidth") > PHONE["width"], "the table scrolls in its box"
    headings = page.locator("#board thead th").all_text_contents()
    assert [text.rstrip("▲▼") for text in headings[:2]] == ["System", "R@1"]
    page.goto(page.url.split("#")[0] + "#data=Made-Up&protocol=standard")
    page.locator("#plot svg").first.wait_for()
    assert page.evaluate(width) <= PHONE["width"]
    page.locator("#board button.open").first.click()
    page.locator("#detail details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    assert page.evaluate("document.getElementById('dialog').scrollWidth") <= PHONE["width"]


def test_dark_print_and_no_script(open_page):
    paper = "getComputedStyle(document.body).backgroundColor"
    assert open_page(color_scheme="light").evaluate(paper) == "rgb(255, 255, 255)"
    assert open_page(color_scheme="dark").evaluate(paper) != "rgb(255, 255, 255)"
    page = open_page("#data=&protocol=")
    assert page.locator("#board tbody tr").count() == 50
    page.click("#next")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (page.locator("#controls").is_visible(), page.locator("#board tbody tr").count()) == (False, 58)
    plain = open_page(java_script_enabled=False)
    assert not plain.locator("#app").is_visible()
    assert plain.locator("noscript table").count() == 4
    assert plain.locator("noscript table").first.is_visible()
