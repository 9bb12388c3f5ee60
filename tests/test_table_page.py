"""The table of every result and the comparison in a real browser: sorting, filters, columns, pages, and all of it in the address."""

import pytest
from browsing import BROWSER, Seen, visit
from playwright.sync_api import expect

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")

EVIL = "<img src=x onerror=alert(1)>"


def column(page, key: str) -> list[float]:
    """The numbers of a column that is sorted by, of the rows that have one."""
    place = page.locator("#results thead th").evaluate_all("(heads, key) => heads.findIndex(head => head.dataset.key === key)", key)
    script = (
        "(rows, place) => rows.map(row => parseFloat(row.cells[place]?.textContent.replace('−', '-'))).filter(value => value === value)"
    )
    return page.locator("#results tbody tr:not(.failed)").evaluate_all(script, place)


def keys(page) -> list[str]:
    return page.locator("#results tbody tr").evaluate_all("rows => rows.map(row => row.dataset.key)")


def test_heads_sort_and_back_restores(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/table.html#?model=scene_vqa", seen)
    first = keys(page)
    assert len(first) == page.evaluate("Squeezemark.rows.filter(row => row.board.model === 'scene_vqa').length") > 10
    for key, up in (("size", True), ("speed", False), ("difference", False)):
        page.locator(f"th[data-key={key}] button").press("Enter")
        assert column(page, key) == sorted(column(page, key), reverse=not up)
        assert page.locator(f"th[data-key={key}]").get_attribute("aria-sort") == ("ascending" if up else "descending")
        assert page.evaluate("document.activeElement.dataset.focus") == f"sort-{key}", "the keyboard stays where it was"
    assert page.url.endswith("#?model=scene_vqa&sort=difference:down")
    page.reload()
    assert page.locator("th[data-key=difference]").get_attribute("aria-sort") == "descending"
    for _ in range(3):
        page.go_back()
    assert keys(page) == first
    page.go_forward()
    assert column(page, "size") == sorted(column(page, "size"))
    assert seen.complaints == []
    page.context.close()


def test_filters_and_columns_lie_in_the_address(browser, address: str) -> None:
    page = visit(browser, f"{address}/table.html")
    everything = page.locator("output.count").inner_text()
    page.get_by_label("Family").select_option("quantization")
    page.get_by_label("Search").fill("dynamic")
    page.get_by_text("Columns", exact=True).click()
    page.locator(".columns").get_by_label("Cost, s").check()
    page.locator(".columns").get_by_label("Accuracy", exact=True).uncheck()
    names = page.locator("#results tbody th .name").all_inner_texts()
    assert names
    assert all(name.startswith("dynamic_int8") for name in names)
    assert page.locator("th[data-key=cost]").is_visible()
    assert page.locator("th[data-key=accuracy]").count() == 0
    again = visit(browser, page.url)
    assert keys(again) == keys(page)
    assert again.locator("th[data-key=cost]").is_visible()
    again.get_by_role("button", name="Clear").click()
    assert again.locator("output.count").inner_text() == everything
    again.context.close()
    page.context.close()


def test_only_part_of_the_rows_is_drawn_at_a_time(browser, address: str) -> None:
    page = visit(browser, f"{address}/table.html#?sort=size:down")
    rows = page.evaluate("Squeezemark.rows.length")
    first = keys(page)
    assert len(first) == 20 < rows
    expect(page.locator(".pager")).to_contain_text(f"1 to 20 of {rows}")
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".pager")).to_contain_text(f"21 to {min(40, rows)} of {rows}")
    assert page.url.endswith("#?sort=size:down&page=2")
    assert not set(first) & set(keys(page))
    page.go_back()
    assert keys(page) == first
    page.context.close()


def test_rows_are_ticked_and_compared(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/table.html#?model=glyph_clip", seen)
    for name in ("dynamic_int8 · per_channel", "dynamic_int8 · per_tensor", "magnitude_pruning · local_70"):
        page.get_by_label(f"Compare {name} on Glyph CLIP").check()
    page.get_by_role("link", name="Compare 3 side by side").click()
    page.wait_for_selector("table.compare")
    assert page.locator("table.compare thead th").count() == 3
    said = page.locator(".said").inner_text()
    assert "is surely better than magnitude_pruning · local_70" in said
    assert "Speed: " in said
    page.get_by_role("button", name="Take magnitude_pruning · local_70 away").click()
    assert page.locator("table.compare thead th").count() == 2
    assert "none of them can be told apart from another" in page.locator(".said").inner_text()
    page.go_back()
    expect(page.locator("table.compare thead th")).to_have_count(3)
    page.get_by_label("Board").select_option(index=1)
    page.get_by_role("button", name="Add").click()
    assert "They are of different boards" in page.locator("#side-by-side").inner_text()
    assert seen.complaints == []
    page.context.close()


def test_hostile_names_stay_text(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/table.html#?q=onerror", seen)
    row = page.locator("#results tbody tr")
    assert row.count() == 1
    assert EVIL in row.inner_text()
    assert "<script>alert(1)" in row.inner_text()
    assert page.locator("#results img").count() == 0
    row.locator("th a").last.click()
    page.wait_for_selector("h1")
    assert EVIL in page.locator("h1").inner_text()
    page.goto(f"{address}/compare.html#?of=<b>x</b>,nobody")
    assert "Not here, or without a result: <b>x</b>, nobody" in page.locator("#side-by-side").inner_text()
    assert page.locator("#side-by-side b").count() == 0
    page.goto(f"{address}/table.html#?sort=constructor:up&page=-9&columns=__proto__&family=<script>")
    assert page.locator("#results tbody tr").count() > 0
    assert seen.complaints == []
    page.context.close()
