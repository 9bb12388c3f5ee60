"""The interactive chart in a real browser, under the strict policy, from a server and from a folder."""

from pathlib import Path

import pytest
from browsing import BROWSER, Seen, numbers, visit
from playwright.sync_api import expect
from site_store import PLANS

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")


def explore(page):
    """Opens the first explorer and returns its panel once the chart is drawn."""
    page.get_by_role("button", name="Explore").first.click()
    page.wait_for_selector(".explorer-panel[data-ready]")
    return page.locator(".explorer-panel").first


def points(page) -> int:
    return page.locator(".explorer-panel .scatterlayer .point").count()


def test_explorer_draws_from_a_local_file_under_the_strict_policy(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/index.html", seen)
    panel = explore(page)
    assert points(page) == len(PLANS)
    panel.get_by_label("Across").select_option("speed")
    expect(page.locator(".xtitle").first).to_have_text("speed-up")
    assert points(page) == len(PLANS) - 1
    page.get_by_label("Family").select_option("pruning")
    expect(page.locator(".explorer-panel .scatterlayer .point")).to_have_count(6)
    assert seen.complaints == []
    assert [url for url in seen.requests if "plotly.min.js" in url] == [f"{address}/assets/plotly.min.js"]
    assert all(url.startswith(address + "/") for url in seen.requests)
    page.context.close()


def test_explorer_tells_details_and_leads_to_the_record(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/index.html#?q=block_32", seen)
    explore(page)
    page.locator(".explorer-plot").first.scroll_into_view_if_needed()
    box = page.locator(".explorer-panel .scatterlayer .point").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.wait_for_selector(".hoverlayer .hovertext", state="attached")
    text = page.locator(".hoverlayer").first.text_content()
    assert "int4_rtn · block_32" in text
    assert "speed-up: 0.9" in text
    with page.expect_navigation():
        page.mouse.down()
        page.mouse.up()
    assert "/record/glyph_clip--int4_rtn--block_32" in page.url
    assert seen.complaints == []
    page.context.close()


def test_site_works_from_a_folder(browser, browsed_site: Path) -> None:
    seen = Seen()
    page = visit(browser, (browsed_site / "index.html").as_uri() + "#?sort=size:up", seen)
    assert numbers(page, "size") == sorted(numbers(page, "size"))
    explore(page)
    page.locator("table.board tbody th a").first.click()
    page.wait_for_selector("h1")
    assert page.locator("header nav a").first.evaluate("link => link.href") == (browsed_site / "index.html").as_uri()
    assert seen.complaints == []
    assert all(url.startswith("file://") for url in seen.requests)
    page.context.close()
