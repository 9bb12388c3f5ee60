"""The rendered site in a real browser: sorting, filtering, sharing, narrow screens, contrast, and no request to anybody else."""

from pathlib import Path
from urllib.parse import quote

import pytest
from browsing import BROWSER, Seen, click_head, every_kind, names, numbers, visit
from playwright.sync_api import expect
from site_store import PLANS

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")


def test_pages_ask_nobody_else_and_break_no_policy(browser, browsed_site: Path, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/index.html", seen)
    for path in every_kind(browsed_site):
        page.goto(f"{address}/{quote(path)}")
    page.context.close()
    assert seen.complaints == []
    assert all(url.startswith(address + "/") for url in seen.requests)
    assert not any("plotly.min.js" in url for url in seen.requests)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_no_page_scrolls_sideways(browser, browsed_site: Path, address: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    for path in every_kind(browsed_site):
        page.goto(f"{address}/{quote(path)}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


def test_narrow_tables_keep_head_and_first_column_in_view(browser, address: str) -> None:
    page = visit(browser, f"{address}/model/glyph_clip.html", viewport={"width": 375, "height": 700})
    scroller = page.locator(".scroller:has(> table.board)").first
    scroller.evaluate("box => { box.scrollIntoView(); box.scrollTo(300, 200); }")
    edges = scroller.evaluate(
        "box => [box.querySelector('tbody th').getBoundingClientRect().left - box.getBoundingClientRect().left,"
        " box.querySelector('thead th').getBoundingClientRect().top - box.getBoundingClientRect().top]"
    )
    assert all(0 <= edge <= 2 for edge in edges)
    page.context.close()


def test_heads_sort_and_the_address_says_how(browser, address: str) -> None:
    page = visit(browser, f"{address}/model/glyph_clip.html")
    click_head(page, "size")
    assert numbers(page, "size") == sorted(numbers(page, "size"))
    assert page.locator("th[data-key=size]").first.get_attribute("aria-sort") == "ascending"
    assert page.url.endswith("#?sort=size%3Aup")
    page.locator("table.board").first.locator("th[data-key=size] button").press("Enter")
    assert numbers(page, "size") == sorted(numbers(page, "size"), reverse=True)
    assert page.locator("th[data-key=size]").first.get_attribute("aria-sort") == "descending"
    click_head(page, "speed")
    assert numbers(page, "speed") == sorted(numbers(page, "speed"), reverse=True)
    assert page.locator("th[data-key=size]").first.get_attribute("aria-sort") == "none"
    click_head(page, "method")
    ok = [name for name in names(page) if not name.startswith(("width_pruning", "<img"))]
    assert ok == sorted(ok)
    page.context.close()


def test_what_has_no_value_comes_last_either_way(browser, address: str) -> None:
    page = visit(browser, f"{address}/model/glyph_clip.html")
    for _ in range(2):
        click_head(page, "latency")
        assert {name.split(" ")[0] for name in names(page)[-3:]} == {"width_pruning", "<img"}
    page.context.close()


def test_filters_combine_and_can_be_shared(browser, address: str) -> None:
    page = visit(browser, f"{address}/model/glyph_clip.html")
    everything = names(page)
    page.get_by_label("no measurable accuracy loss").check()
    lossless = names(page)
    verdicts = (
        page.locator("table.board").first.locator("tbody tr:not([hidden])").evaluate_all("rows => rows.map(row => row.dataset.verdict)")
    )
    assert 0 < len(lossless) < len(everything)
    assert set(verdicts) <= {"tie", "better"}
    page.get_by_label("Family").select_option("quantization")
    page.get_by_label("Search").fill("dynamic")
    click_head(page, "speed")
    assert all(name.startswith("dynamic_int8") for name in names(page))
    count = page.locator("output.count").inner_text()
    assert count.startswith(f"{len(names(page))} of ")
    again = visit(browser, page.url)
    assert names(again) == names(page)
    assert again.get_by_label("Search").input_value() == "dynamic"
    again.get_by_role("button", name="Clear").click()
    expect(again).to_have_url(f"{address}/model/glyph_clip.html")
    assert names(again) == everything
    again.context.close()
    page.context.close()


def test_a_broken_address_shows_everything(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/model/glyph_clip.html#?sort=nonsense:up&family=%3Cscript%3E&tier=9", seen)
    assert len(names(page)) == len(PLANS) + 3
    assert seen.complaints == []
    page.context.close()


def test_the_first_rows_lead_to_all_of_them(browser, address: str) -> None:
    page = visit(browser, f"{address}/index.html")
    page.get_by_role("link", name="All, with charts and components").first.click()
    assert "/model/glyph_clip.html#glyph_clip" in page.url
    assert len(names(page)) == len(PLANS) + 3
    page.context.close()


def test_everything_is_there_without_scripts(browser, address: str) -> None:
    page = visit(browser, f"{address}/model/glyph_clip.html", java_script_enabled=False)
    assert page.locator("table.board").first.locator("tbody tr").count() == len(PLANS) + 3
    assert page.locator("form.filters").is_hidden()
    assert page.locator("svg.plot.wide").first.is_visible()
    page.goto(f"{address}/index.html")
    assert page.locator("form.finder").is_hidden()
    assert page.get_by_text("variants fit").first.is_visible()
    assert page.locator("noscript").is_visible()
    for path in ("table", "compare", "explore"):
        page.goto(f"{address}/{path}.html")
        assert page.locator("form.filters").is_hidden()
        assert page.locator("main a").first.is_visible() or page.locator("main .note").is_visible()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_heat_map_is_whole_on_a_narrow_screen(browser, address: str, scheme: str) -> None:
    page = visit(browser, f"{address}/model/glyph_clip.html", viewport={"width": 375, "height": 800}, color_scheme=scheme)
    table = page.locator("table.heat")
    assert table.evaluate("table => table.parentElement.scrollWidth - table.parentElement.clientWidth") <= 0
    colours = table.locator("td").evaluate_all(
        "cells => cells.map(cell => [cell.className.match(/loss-.|tie|gain/)[0], getComputedStyle(cell).backgroundColor])"
    )
    by_shade = dict(colours)
    assert len({shade for shade, _ in colours}) == len(set(by_shade.values())) > 2, "each shade has a colour of its own"
    assert table.locator("td.worst .most").first.is_visible()
    page.context.close()


def test_examples_can_be_seen_and_heard(browser, browsed_site: Path, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/{every_kind(browsed_site)[-1]}", seen)
    pictures = page.locator(".examples img")
    for index in range(pictures.count()):
        pictures.nth(index).scroll_into_view_if_needed()
        expect(pictures.nth(index)).to_have_js_property("naturalWidth", 9)
    seconds = page.locator(".examples audio").first.evaluate(
        "sound => new Promise((done, fail) => { sound.onloadedmetadata = () => done(sound.duration); sound.onerror = fail; sound.load(); })"
    )
    assert seconds == pytest.approx(400 / 8000, abs=0.02)
    assert seen.complaints == []
    page.context.close()


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
  const back = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('main *, header *, footer *')].filter((element) => element.checkVisibility()
    && !element.closest('svg') && [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return texts.map((element) => {
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(back(element))].sort((a, b) => b - a);
    return [(one + 0.05) / (other + 0.05), element.className, element.textContent.trim().slice(0, 30)];
  }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser, browsed_site: Path, address: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    for path in every_kind(browsed_site):
        page.goto(f"{address}/{quote(path)}")
        assert page.evaluate(CONTRAST) == [], path
    context.close()


@pytest.mark.parametrize("width", [375, 1280])
def test_figures_of_a_record_stay_in_their_cells(browser, browsed_site: Path, address: str, width: int) -> None:
    """With the words that are longest: a speed that is not ranked, and a count of flips."""
    name = next(path.name for path in sorted((browsed_site / "record").iterdir()) if "dynamic_int8--per_channel" in path.name)
    page = visit(browser, f"{address}/record/{name}", viewport={"width": width, "height": 900})
    page.evaluate(
        "(document.querySelector('dl.figures .mark-better, dl.figures .mark-worse, dl.figures .mark-tie')).outerHTML = "
        "'<span class=\"noisy\">not ranked (host grade F)</span>'"
    )
    wide = page.evaluate(
        "[...document.querySelectorAll('dl.figures > div')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
    )
    assert wide == []
    assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('dl.figures'))")
    page.context.close()
