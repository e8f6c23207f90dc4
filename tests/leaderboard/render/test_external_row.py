"""A row of what other code made, in headless Chromium."""

from tbpsbench.leaderboard.render import render
from tbpsbench.leaderboard.render.rows import Row, Score


def test_a_status_that_is_a_badge_too_is_shown_once(browser, tmp_path):
    row = Row("Features", "Made-Up", "Made-Up", "standard", "rerank", "given", status="external",
              scores={"R@1": Score(50.0)}, badges=("external", "partial data"))  # fmt: skip
    render([row], {}, tmp_path, "A board", records_at="../records")
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    line = page.locator("#board tbody tr")
    assert line.locator(".badge").all_text_contents() == ["partial data"]
    assert line.locator("th").inner_text().count("external") == 1
    line.locator("button.open").click()
    assert page.locator("#dialog .tags span").all_text_contents() == ["external", "partial data"]
    page.close()
