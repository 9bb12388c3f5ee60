"""Records of several machines: no page takes one for the other, and what a page leaves out of many records it says, and where it is."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from browsing import BROWSER, served, visit
from conftest import Squeezemark
from playwright.sync_api import expect
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page
from site_store import ENVIRONMENT, PLANS, SHAPE, build, elsewhere, put

from suite import render as rendering
from suite.evidence import Evidence
from suite.pages import Cards
from suite.publishing.badges import badges
from suite.publishing.press import Press
from suite.store import Store
from suite.summarize import summarize
from suite.website import Site

HERE = ENVIRONMENT.host
OTHER = HERE.replace(ENVIRONMENT.cpu, "Machine 1")
LEAVING_OUT = ("index", "table", "compare", "explore", "coverage", "findings", "runtimes", "method/dynamic_int8")

needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two models on two machines; on one of them some more."""
    store = build(tmp_path_factory.mktemp("machines"), shape=SHAPE, plans=PLANS[:2])
    elsewhere(store, 1)
    for model in ("glyph_clip", "scene_vqa"):
        put(store, model, PLANS[2], 400, SHAPE)
    return store


def published(store: Store, out: Path) -> Path:
    rendering.render(store, model_cards(), method_cards(), target_cards(), out)
    return out


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every board on the front pages."""
    return published(store, tmp_path_factory.mktemp("whole") / "site")


@pytest.fixture(scope="module")
def front(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The largest boards there, the others on pages of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "WHOLE", 3)
        return published(store, tmp_path_factory.mktemp("front") / "site")


@pytest.fixture(scope="module")
def url(site: Path):
    with served(site) as found:
        yield found


@pytest.mark.parametrize("name", LEAVING_OUT)
def test_a_page_that_leaves_boards_out_says_how_many_and_where_they_are(name: str, front: Path, site: Path) -> None:
    page = Page(front / f"{name}.html")
    assert "2 more, of other machines, tiers or test sets, have pages of their own" in page.words
    places = {link for link in page.links if link.endswith("#more-boards")}
    assert {Path(link).name for link in places} == {
        "glyph_clip.html#more-boards",
        "scene_vqa.html#more-boards",
        "x86_cpu_ort.html#more-boards",
    }
    for link in places:
        target = Page((page.path.parent / link.partition("#")[0]).resolve())
        assert "more-boards" in target.ids
        assert any("board/" in one for one in target.links)
    assert "have pages of their own" not in Page(site / f"{name}.html").words, "of few records nothing is left out"


def test_nothing_is_called_all_that_is_not(front: Path, site: Path) -> None:
    assert "Every result" in Page(site / "table.html").words
    assert "Every result" not in Page(front / "table.html").words
    for path in sorted(front.glob("*.html")):
        assert not re.search(r"[Ee]very (method|variant) on|on every reference", Page(path).words), path.name


def test_what_stands_twice_is_told_apart_by_its_machine(site: Path) -> None:
    answers = re.search(r'<table class="answers">.*?</table>', Page(site / "index.html").source, re.DOTALL)[0]
    assert [answers.count(host) for host in (HERE, OTHER)] == [2, 2]
    heads = re.search(r"<thead>.*?</thead>", Page(site / "findings.html").source, re.DOTALL)[0]
    assert [heads.count(host) for host in (HERE, OTHER)] == [2, 2]


def test_where_most_was_measured_comes_first(site: Path, store: Store) -> None:
    for name in ("index", "model/glyph_clip", "method/dynamic_int8", "coverage", "findings", "target/x86_cpu_ort"):
        words = Page(site / f"{name}.html").words
        assert 0 < words.index(HERE) < words.index(OTHER), name
    boards = summarize(store.records(), store.columns)
    made = Site(Press(Cards(model_cards(), method_cards(), target_cards())), Evidence({}, (), {}, ()), boards[::-1]).views
    assert [view.board.host for view in made] == [HERE, OTHER] * 2
    assert dict(badges(made)) == dict(badges([view for view in made if view.board.host == HERE]))


@needs_browser
def test_the_explorer_begins_with_one_machine_and_names_it(browser, url: str) -> None:
    page = visit(browser, f"{url}/explore.html")
    expect(page.locator("#points tbody tr")).to_have_count(3)
    assert page.locator("#points .note").count() == 0
    page.get_by_label("Machine").select_option(OTHER)
    expect(page.locator("#points tbody tr")).to_have_count(2)
    page.get_by_label("Machine").select_option("")
    expect(page.locator("#points tbody tr")).to_have_count(5)
    assert "or machines do not compare" in page.locator("#points .note").inner_text()
    words = page.locator("#points tbody").inner_text()
    assert [words.count(host) for host in (HERE, OTHER)] == [3, 2]
    page.context.close()


@needs_browser
def test_a_machine_without_such_a_board_gives_way(browser, url: str) -> None:
    page = visit(browser, f"{url}/explore.html#?host=Machine+9")
    expect(page.locator("#points tbody tr")).not_to_have_count(0)
    page.context.close()


@needs_browser
def test_the_table_names_the_machine_of_each_row_and_can_be_held_to_one(browser, url: str) -> None:
    page = visit(browser, f"{url}/table.html")
    words = page.locator("#results tbody").inner_text()
    assert [words.count(host) for host in (HERE, OTHER)] == [10, 8], "failures are rows as well"
    page.get_by_label("Machine").select_option(OTHER)
    expect(page.locator("#results tbody tr")).to_have_count(8)
    page.context.close()


@needs_browser
def test_the_links_of_an_answer_keep_to_its_machine(browser, url: str) -> None:
    page = visit(browser, f"{url}/index.html#?loss=any")
    page.locator("select[name=host]").select_option(OTHER)
    page.locator("article.advice").first.get_by_role("link", name="All in the table").click()
    expect(page.locator("#results tbody tr")).to_have_count(4)
    assert HERE not in page.locator("#results tbody").inner_text()
    page.context.close()


@needs_browser
def test_the_finder_answers_for_one_machine_and_names_the_others(browser, url: str) -> None:
    page = visit(browser, f"{url}/index.html#?loss=any")
    cards, machine = page.locator("article.advice"), page.locator("select[name=host]")
    expect(cards).to_have_count(2)
    for card in cards.all():
        assert card.locator("h3 .under").last.inner_text() == HERE
        assert f"Also measured on {OTHER}" in card.inner_text()
    machine.select_option(OTHER)
    assert [card.locator("h3 .under").last.inner_text() for card in cards.all()] == [OTHER, OTHER]
    machine.select_option("any")
    expect(cards).to_have_count(4)
    cards.filter(has_text=f"Also measured on {OTHER}").first.get_by_role("link", name=OTHER).click()
    page.wait_for_url("**/board/*.html")
    assert OTHER in page.locator(".facts").first.inner_text()
    page.context.close()


@needs_browser
def test_a_machine_that_measured_nothing_of_it_is_told(browser, url: str) -> None:
    page = visit(browser, f"{url}/index.html#?host=Machine+9")
    expect(page.locator("article.advice")).to_have_count(2)
    assert page.locator("select[name=host]").input_value() == "", "the address names what is not there"
    page.context.close()


def test_a_model_page_shows_one_machine_whole_and_leads_to_the_others(site: Path) -> None:
    page = Page(site / "model/glyph_clip.html")
    assert page.source.count('<table class="board"') == 1
    (link,) = [link for link in page.links if link.startswith("../board/")]
    anchor = Path(link).stem
    assert anchor in page.ids, "what pointed to the board on this page finds where it is now"
    board = Page(site / "board" / f"{anchor}.html")
    assert [OTHER in board.words, HERE in board.words] == [True, False]
    assert board.source.count("<tbody>") == 1
    assert board.source.count("<svg") > 2, "its charts"


def test_links_lead_to_the_page_where_a_board_is(site: Path) -> None:
    for name in ("table", "coverage", "findings", "target/x86_cpu_ort", "method/dynamic_int8"):
        page = Page(site / f"{name}.html")
        assert sum("board/" in link for link in page.links) >= 2, name
    records = [Page(path) for path in (site / "record").glob("glyph_clip--*.html")]
    assert len(records) == 9
    for page in records:
        of_another = "Machine 1, 2 cores" in page.words
        assert any("board/" in link for link in page.links) == of_another, page.path.name


def test_a_board_that_another_machine_outgrows_gets_a_page_of_its_own_everywhere(tmp_path: Path) -> None:
    """What is taken over from the site that is there must not point to where the board was."""
    store, out = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2]), tmp_path / "site"

    def again() -> int:
        return rendering.render(store, model_cards(), method_cards(), target_cards(), out, tmp_path / "work").reused

    again()  # imports the models, whose files are a part of what pages depend on
    again()
    assert again() > 0
    (before,) = list((out / "record").glob("glyph_clip--dynamic*.html"))
    assert "board/" not in before.read_text(encoding="utf-8")
    elsewhere(store, 1)
    for record in [record for record in store.records() if record.environment.host == OTHER]:
        if record.cell.model == "glyph_clip":
            cell = msgspec.structs.replace(record.cell, variant="more")
            columns = store.columns(record) if record.columns_sha256 else None
            store.put(msgspec.structs.replace(record, key="cccc" + record.key[4:], cell=cell), columns)
    assert again() == 0, "no page of a record may stay as it was"
    links = Page(before).links
    assert any("board/" in link and (before.parent / link).resolve().is_file() for link in links)


def test_recommend_names_the_machine_and_what_else_there_is(store: Store, squeezemark: Squeezemark) -> None:
    asked = ("recommend", "--max-loss", "9", "--results", store.folder)
    done = squeezemark(*asked)
    assert done.returncode == 0, done.stderr
    assert f"2 more of these boards are of other machines, which --machine names ('all' for each): {OTHER}." in done.stdout
    assert "Fits on all 2 models" in done.stdout
    assert "--target names" not in done.stdout, "there is one target"
    every = squeezemark(*asked, "--machine", "all").stdout
    first, second = (every.index(f"glyph_clip, {host}: ") for host in (HERE, OTHER))
    assert first < second, "where most was measured comes first"
    assert "Fits on all 4 boards" in every
    one = squeezemark(*asked, "--machine", "machine 1", "--json")
    assert {found["host"] for found in json.loads(one.stdout)} == {OTHER}
    wrong = squeezemark(*asked, "--machine", "Machine 9")
    assert wrong.returncode == 2
    assert "There is no machine that measured 'Machine 9'." in wrong.stderr
    assert HERE in wrong.stderr


def test_recommend_names_the_targets_and_tiers_that_it_leaves_out(squeezemark: Squeezemark, tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    for record in [record for record in store.records() if record.cell.model == "glyph_clip" and record.status == "ok"]:
        for digits, change in (("aaaa", {"target": "arm_cpu_ort"}), ("bbbb", {"tier": "quick"})):
            cell = msgspec.structs.replace(record.cell, **change)
            store.put(msgspec.structs.replace(record, key=digits + record.key[4:], cell=cell), store.columns(record))
    done = squeezemark("recommend", "--max-loss", "9", "--results", store.folder)
    assert "There are others, which --target names: arm_cpu_ort (1)." in done.stdout
    assert "Left out are 1 of x86_cpu_ort that were measured in another tier." in done.stdout
    other = squeezemark("recommend", "--max-loss", "9", "--target", "arm_cpu_ort", "--results", store.folder)
    assert "glyph_clip" in other.stdout
    assert "These are the boards of arm_cpu_ort." in other.stdout
