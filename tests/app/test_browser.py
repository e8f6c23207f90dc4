"""The page in Chromium: with a mouse, with the keyboard alone, on a narrow screen, and as axe-core judges it."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
from app_person import QUERY

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
REFINED = "a woman in a red coat with a big hat"


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    with api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)


@pytest.fixture(scope="module")
def addresses(systems):
    """Number of systems -> address of a page that is really served."""
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra app: pip install 'tbpsbench[app]'")
    from tbpsbench.app.server import make_app
    from tbpsbench.app.serving import open_socket

    found, servers, threads = {}, [], []
    for count in (1, 2):
        listening = open_socket("127.0.0.1", 0)
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make_app(systems[count], [host]), log_level="warning"))
        threads.append(threading.Thread(target=asyncio.run, args=(server.serve([listening]),)))
        threads[-1].start()
        found[count] = f"http://{host}/"
        servers.append(server)
    yield found
    for server in servers:
        server.should_exit = True
    for thread in threads:
        thread.join()


@pytest.fixture
def opened(browser, addresses):
    """Open the page in a fresh browser: makes (page, errors that the browser has reported)."""
    contexts = []

    def make(count=1, **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # A form that was refused is an error to the browser's console, and none of the page's.
        page.on(
            "console",
            lambda said: errors.append(said.text) if said.type == "error" and "422" not in said.text else None,
        )
        page.on(
            "request",
            lambda asked: errors.append(asked.url) if not asked.url.startswith((addresses[count], "data:")) else None,
        )
        page.goto(addresses[count])
        return page, errors

    yield make
    for context in contexts:
        context.close()


def search(page, query=QUERY):
    page.fill("#query", query)
    page.click(".search button")
    page.wait_for_selector(".card")


def done(page, act):
    """Do something, and wait until the page has changed."""
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        act()
    page.wait_for_selector("body:not(.busy)")


def until(page, condition):
    """Wait for a condition in the page; playwright's own way to do so is forbidden by the page's policy."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {condition}")


def heard(page, words):
    """Wait until a screen reader is told something."""
    until(page, f"document.getElementById('status').textContent.includes({json.dumps(words)})")


def violations(page):
    """What axe-core finds."""
    page.evaluate(AXE)
    found = page.evaluate("(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", RULES)
    return [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found["violations"]]


def sources(page):
    return page.eval_on_selector_all(".card > img", "images => images.map((image) => image.getAttribute('src'))")


def test_a_whole_search_with_the_mouse(opened, tmp_path):
    page, errors = opened()
    assert violations(page) == []
    search(page)
    first = sources(page)
    assert len(first) == 24
    until(page, "[...document.querySelectorAll('.card > img')].slice(0, 4).every((image) => image.naturalWidth > 0)")
    asked = page.inner_text("#question")

    # The quick answer, then free text.
    done(page, lambda: page.click(".chips button >> nth=0"))
    assert page.inner_text("#question") != asked
    page.fill(".answer", "She carries a black backpack")
    done(page, lambda: page.click("#send-answer"))
    assert "backpack" in page.input_value("#refined")
    assert page.input_value(".answer") == ""
    assert page.locator(".move").count() > 0

    # An anchor, a rejected picture, undo of both.
    moved = sources(page)
    done(page, lambda: page.click(".card >> nth=4 >> text=This is the person"))
    assert sources(page)[0] == moved[4]
    assert page.locator(".card.person").count() == 1
    assert page.inner_text(".card >> nth=0 >> .rank").split()[-1] == "#1"
    done(page, lambda: page.click(".card >> nth=1 >> text=Not this one"))
    assert page.locator("text=Set aside (1)").count() == 1
    assert violations(page) == []
    done(page, lambda: page.click("#undo"))
    done(page, lambda: page.click("#undo"))
    assert sources(page) == moved

    # The query in one's own words, and the export, which opens again to the same.
    page.fill("#refined", REFINED)
    done(page, lambda: page.click("#apply"))
    assert page.input_value("#refined") == REFINED
    last = sources(page)
    with page.expect_download() as download:
        page.click("text=Export as JSON Lines")
    file = tmp_path / "search.jsonl"
    download.value.save_as(file)
    assert json.loads(file.read_text(encoding="utf-8").splitlines()[0])["query"] == QUERY
    done(page, lambda: page.click("#forget"))
    assert page.locator(".card").count() == 0
    done(page, lambda: page.set_input_files("#file", str(file)))
    assert "its result is the same" in page.inner_text(".notice")
    assert page.input_value("#refined") == REFINED
    assert [len(sources(page)), len(last)] == [24, 24]
    assert errors == []


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def tab_to(page, selector):
    """Press Tab until the focus is there; it must be visible on the way."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", f"the focus on {selector} cannot be seen"
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def test_a_whole_search_with_the_keyboard_and_what_a_screen_reader_hears(opened):
    page, errors = opened()
    press(page, "Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "#query")
    page.keyboard.type(QUERY)
    done(page, lambda: press(page, "Enter"))
    page.wait_for_selector(".card")
    heard(page, "24 of 40 pictures")
    assert page.inner_text("#question") in page.text_content("#status")

    tab_to(page, ".answer")
    page.keyboard.type("She carries a black backpack")
    done(page, lambda: press(page, "Enter"))
    heard(page, "refined")
    assert page.evaluate("document.activeElement.matches('.talk .answer')"), "the next answer can be typed at once"

    before = sources(page)
    tab_to(page, ".card:nth-child(3) .person")
    name = page.evaluate("document.activeElement.textContent.trim()")
    assert "This is the person, picture at place 3" in name
    done(page, lambda: press(page, "Enter"))
    assert sources(page)[0] == before[2]
    assert page.evaluate("document.activeElement !== document.body"), "the focus is not lost"
    tab_to(page, "#undo")
    done(page, lambda: press(page, "Space"))
    assert sources(page) == before
    tab_to(page, ".card:nth-child(2) .aside")
    done(page, lambda: press(page, "Space"))
    assert page.locator("text=Set aside (1)").count() == 1
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.querySelectorAll('img:not([alt])').length") == 0
    assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_that_wants_no_motion(opened, scheme):
    settings = {"viewport": {"width": 320, "height": 640}, "reduced_motion": "reduce", "color_scheme": scheme}
    page, errors = opened(2, **settings)
    search(page)
    done(page, lambda: page.click(".card >> nth=2 >> text=This is the person"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, "nothing stands out to the right"
    moving = """() => [...document.querySelectorAll('*')].filter((one) => {
      const style = getComputedStyle(one);
      return style.transitionDuration !== '0s' || style.animationName !== 'none';
    }).length"""
    assert page.evaluate(moving) == 0
    small = """() => [...document.querySelectorAll('button, a.button, input:not([type=hidden]), textarea')]
      .filter((one) => one.offsetParent && (one.offsetHeight < 24 || one.offsetWidth < 24)).length"""
    assert page.evaluate(small) == 0
    assert violations(page) == []
    assert errors == []


def test_two_systems_side_by_side(opened):
    page, errors = opened(2, viewport={"width": 1400, "height": 900})
    search(page)
    columns = page.locator(".results section")
    assert columns.count() == 2
    left, right = (columns.nth(number).bounding_box() for number in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    chosen = columns.nth(1).locator(".card > img").nth(3).get_attribute("src")
    done(page, lambda: columns.nth(1).locator(".card").nth(3).locator("text=This is the person").click())
    assert [columns.nth(n).locator(".card > img").first.get_attribute("src") for n in (0, 1)] == [chosen, chosen]
    assert violations(page) == []
    assert errors == []


def test_a_refusal_is_shown_and_the_page_stays(opened):
    page, errors = opened()
    search(page)
    before = sources(page)
    page.evaluate("document.getElementById('refined').removeAttribute('maxlength')")
    page.fill("#refined", "x " * 2500)
    done(page, lambda: page.click("#apply"))
    assert "4999 characters" in page.inner_text(".notice.error")
    page.evaluate("document.getElementById('refined').removeAttribute('maxlength')")
    page.fill("#refined", "x" * 70_000)
    done(page, lambda: page.click("#apply"))
    page.wait_for_selector("text=more than 65,536 bytes")
    assert sources(page) == before
    assert [error for error in errors if "413" not in error] == []
