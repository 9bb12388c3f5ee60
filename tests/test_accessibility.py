"""axe-core on a page of each kind in both themes (of the dark one the colours, as nothing else differs), and the five questions of a
visitor, each answered in three steps or fewer.
"""

from pathlib import Path
from urllib.parse import quote

import pytest
from browsing import BROWSER, Seen, every_kind, visit
from playwright.sync_api import expect
from site_releases import DAYS

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")


SCHEMES = pytest.mark.parametrize(("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])


def violations(browser, urls: list[str], scheme: str, rules: dict) -> dict[tuple[str, str], str]:
    """What axe-core finds on each page: address and rule -> the first element."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}, bypass_csp=True)
    page, found = context.new_page(), {}
    for url in urls:
        page.goto(url)
        for violation in axe.run(page, options=rules).response["violations"]:
            found[url, violation["id"]] = violation["nodes"][0]["html"][:200]
    context.close()
    return found


@SCHEMES
def test_axe_finds_nothing_on_any_kind_of_page(browser, browsed_site: Path, address: str, scheme: str, rules: dict) -> None:
    paths = [path for path in every_kind(browsed_site) if "img-src" not in path and "--only-" not in path]  # as other records are
    assert violations(browser, [f"{address}/{quote(path)}" for path in paths], scheme, rules) == {}


@SCHEMES
@pytest.mark.parametrize("language", ["", "zh/"])
def test_axe_finds_nothing_on_pages_of_releases(browser, released: dict[str, Path], language: str, scheme: str, rules: dict) -> None:
    """With changes and without, of one and of many; the history of a method, and a board as a release showed it."""
    all_of_them, first = (released[name] / language for name in ("all", "first"))
    boards = sorted(path for path in (all_of_them / "r" / DAYS[1]).rglob("*.html") if path.name != "index.html")
    releases = [all_of_them / "r" / day / "index.html" for day in DAYS]
    pages = [all_of_them / "releases.html", first / "releases.html", *releases, boards[0], all_of_them / "method/dynamic_int8.html"]
    assert violations(browser, [page.as_uri() for page in pages], scheme, rules) == {}


def reached(page, most: int = 400) -> list[str]:
    """What the tab key comes upon in the content, from first to last: tag and name; every stop must be seen."""
    script = """() => {
      const at = document.activeElement;
      const shown = at.checkVisibility() && getComputedStyle(at).outlineStyle !== "none" || at.closest("svg");
      return [at.matches("main *"), `${at.tagName} ${at.name || at.dataset.focus || at.textContent.trim().slice(0, 30)}`, Boolean(shown)];
    }"""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        inside, name, shown = page.evaluate(script)
        if not inside and stops:
            break
        if inside:
            assert shown, f"{name} has no visible focus"
            stops.append(name)
    return stops


@pytest.mark.parametrize("path", ["index.html", "table.html#?q=int4", "explore.html#?q=int4", "compare.html"])
def test_every_control_is_reached_by_keyboard(browser, address: str, path: str) -> None:
    page = visit(browser, f"{address}/{path}")
    controls = page.evaluate(
        "[...document.querySelectorAll('main :is(button, select, input, summary)')].filter(e => e.checkVisibility() && !e.disabled)"
        ".map(e => `${e.tagName} ${e.name || e.dataset.focus || e.textContent.trim().slice(0, 30)}`)"
    )
    assert controls
    assert set(controls) <= set(reached(page))
    page.context.close()


def test_best_under_5_mb_takes_one_step(browser, address: str) -> None:
    page = visit(browser, f"{address}/index.html#?loss=any")
    page.get_by_label("Size, at most").fill("5MB")
    expect(page).to_have_url(f"{address}/index.html#?loss=any&size=5MB")
    for figures in page.locator(".picks li:first-child .under").all_inner_texts():
        assert float(figures.split(" MB")[0]) <= 5
    assert page.locator(".picks li").count() > 0
    page.context.close()


def test_whether_int4_is_faster_takes_one_step(browser, address: str) -> None:
    page = visit(browser, f"{address}/index.html")
    page.get_by_role("link", name="Is int4 faster?").click()
    page.wait_for_selector("#results tbody tr")
    words = page.locator("#results tbody tr").all_inner_texts()
    assert words
    assert all("int4_rtn" in row and ("faster" in row or "slower" in row or "tie" in row) for row in words)
    page.context.close()


def test_what_happens_to_a_component_takes_two_steps(browser, address: str) -> None:
    page = visit(browser, f"{address}/index.html")
    page.locator("#models + ul").get_by_role("link", name="Glyph CLIP").click()
    page.get_by_role("heading", name="Which component suffers").scroll_into_view_if_needed()
    assert "vision" in page.locator("table.heat thead").inner_text()
    page.context.close()


def test_whether_a_row_can_be_trusted_takes_two_steps(browser, address: str) -> None:
    seen = Seen()
    page = visit(browser, f"{address}/table.html#?q=per_channel", seen)
    assert "self-reported" in page.locator("#results td.trust").first.inner_text()
    page.locator("#results tbody th a").nth(1).click()
    trust = page.locator("p.trust").inner_text()
    assert "Self-reported: measured by whoever submitted it" in trust
    page.locator("p.trust a").click()
    assert page.url.endswith("about.html#trust")
    assert page.get_by_role("heading", name="Can I trust a row?").is_visible()
    assert seen.complaints == []
    page.context.close()


def test_how_to_add_mine_takes_one_step(browser, address: str) -> None:
    page = visit(browser, f"{address}/index.html")
    page.get_by_role("link", name="How do I add my method?").click()
    words = page.locator("main").inner_text()
    assert all(f"squeezemark {step} " in words for step in ("new-method", "check", "run", "report", "submit", "verify", "reproduce"))
    page.context.close()
