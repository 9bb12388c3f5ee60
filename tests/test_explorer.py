"""The interactive chart in a real browser, under the strict policy, from a server and from a folder."""

from pathlib import Path

import pytest
from browsing import BROWSER, Seen, visit
from playwright.sync_api import expect
from site_store import PLANS

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")

HERE = "explore.html#?model=glyph_clip"


def draw(page) -> None:
    """Draws the chart, and waits until it is there."""
    page.get_by_role("button", name="Draw the chart").click()
    page.wait_for_selector("#plot[data-ready]")


def listed(page) -> dict[str, tuple[float, float, str]]:
    """Key -> across, up and state of the rows of the table beneath."""
    script = (
        "rows => rows.map(row => [row.dataset.key, ...[1, 2].map(cell => parseFloat(row.cells[cell].textContent.replace('−', '-'))),"
        " row.dataset.state])"
    )
    return {key: (x, y, state) for key, x, y, state in page.locator("#points tbody tr").evaluate_all(script)}


def test_it_draws_from_a_local_file_under_the_strict_policy(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/{HERE}", seen)
    assert not any("plotly.min.js" in url for url in seen.requests), "before it is asked for"
    draw(page)
    expect(page.locator("#plot .scatterlayer .point")).to_have_count(len(PLANS))
    page.locator("select[name=x]").select_option("speed")
    expect(page.locator(".xtitle").first).to_have_text("Speed-up")
    expect(page.locator("#plot .scatterlayer .point")).to_have_count(len(PLANS) - 1)
    page.get_by_label("Family").select_option("pruning")
    expect(page.locator("#plot .scatterlayer .point")).to_have_count(6)
    assert page.url.endswith("#?x=speed&family=pruning"), page.url
    page.go_back()
    expect(page.locator("#plot .scatterlayer .point")).to_have_count(len(PLANS) - 1)
    assert seen.complaints == []
    assert [url for url in seen.requests if "plotly.min.js" in url] == [f"{address}/assets/plotly.min.js"]
    assert all(url.startswith(address + "/") for url in seen.requests)
    page.context.close()


def test_it_tells_details_and_leads_to_the_record(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/{HERE}&q=block_32", seen)
    draw(page)
    page.locator("#plot").scroll_into_view_if_needed()
    box = page.locator("#plot .scatterlayer .point").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.wait_for_selector(".hoverlayer .hovertext", state="attached")
    text = page.locator(".hoverlayer").first.text_content()
    assert "int4_rtn · block_32" in text
    assert "Speed-up: 0.9" in text
    with page.expect_navigation():
        page.mouse.down()
        page.mouse.up()
    assert "/record/glyph_clip--int4_rtn--block_32" in page.url
    assert seen.complaints == []
    page.context.close()


def test_the_frontier_is_that_of_what_is_shown(browser, address: str) -> None:
    page = visit(browser, f"{address}/{HERE}")
    for change in ({}, {"Family": "pruning"}, {"Family": "low-rank"}):
        for label, value in change.items():
            page.get_by_label(label).select_option(value)
        found = listed(page)
        for key, (size, accuracy, state) in found.items():
            others = [(x, y) for other, (x, y, _) in found.items() if other != key]
            beaten = any(x <= size and y >= accuracy and (x < size or y > accuracy) for x, y in others)
            assert not (state == "on" and any(x < size and y > accuracy for x, y in others))
            assert state == "on" or beaten or any((x, y) == (size, accuracy) for x, y in others)
    states = {state for _, _, state in listed(visit(browser, f"{address}/{HERE}")).values()}
    assert states == {"on", "may", ""}
    page.context.close()


def test_the_site_works_from_a_folder(browser, browsed_site: Path) -> None:
    seen = Seen()
    page = visit(browser, (browsed_site / "table.html").as_uri() + "#?sort=size:up", seen)
    page.locator("#results tbody th a").first.click()
    page.wait_for_selector("h1")
    page.goto((browsed_site / "explore.html").as_uri())
    draw(page)
    page.goto((browsed_site / "index.html").as_uri())
    assert page.locator("article.advice").count() == 2
    assert page.locator("header nav a").first.evaluate("link => link.href") == (browsed_site / "index.html").as_uri()
    assert seen.complaints == []
    assert all(url.startswith("file://") for url in seen.requests)
    page.context.close()
