"""Where a host's grade is shown, and what a latency below C is kept out of."""

import re
from pathlib import Path

import pytest
from boards import Results, right
from msgspec.structs import replace
from rich.console import Console
from site_cards import method_cards
from site_pages import Page, publish, read_csv, record_page, row_text
from site_store import PLANS, SHAPE, build
from test_devices import CARDS, OTHER, TARGET, on, views

from suite.devices import device_boards
from suite.figures import RANKED, Energy, Estimate, Health
from suite.pages import answers
from suite.recommend import Wish, recommend
from suite.record import decode
from suite.tables import advice_table
from suite.verdict import figures, sentences
from suite.versus import versus

FIT = Health("B", ("the machine's own speed changed by 8.0% (control kernel) (B)",), {"control_spread": 0.08, "steal": None}, ("steal",))
UNFIT = Health("D", ("its process waited for a core for 20.0% of the time (D)",), {"waiting": 0.2}, ())


def grade(record, health):
    return replace(record, latency=replace(record.latency, health=health))


@pytest.fixture
def results():
    found = Results()
    found.add("baseline_fp32", right(300), size=4000, speed=(1.0, 0.99, 1.01), latency={"health": FIT})
    found.add("fast", right(300), size=2000, speed=(3.0, 2.9, 3.1), latency={"health": UNFIT, "noisy": False})
    found.add("slow", right(300), size=2000, speed=(1.5, 1.4, 1.6), latency={"health": FIT})
    found.add("old", right(290), size=2000, speed=(2.0, 1.9, 2.1))
    return found


def test_below_c_it_is_not_ranked_and_without_a_grade_it_is(results):
    rows = results.rows()
    assert {name: (row.host_grade, row.not_ranked) for name, row in rows.items()} == {
        "baseline_fp32": ("B", None),
        "fast": ("D", "not ranked (host grade D)"),
        "slow": ("B", None),
        "old": (None, None),
    }
    assert [letter for letter in "ABCDEF" if Health(letter, (), {}, ()).ranked] == list(RANKED) == ["A", "B", "C"]


def test_it_is_on_no_frontier_of_latency_but_may_be_on_that_of_size(results):
    rows = results.rows()
    assert {name for name, row in rows.items() if row.latency_frontier} == {"slow", "old"}
    assert rows["fast"].size_frontier


def test_it_is_not_named_the_fastest(results):
    assert [row.record.cell.method for row in answers(results.board(), True).fastest] == ["slow"]


def test_a_verdict_says_why(results):
    row, baseline = results.rows()["fast"], results.rows()["baseline_fp32"]
    assert sentences(row, baseline)[2].endswith("It is not ranked (host grade D): its process waited for a core for 20.0% of the time (D).")
    assert figures(row, baseline)["host_grade"] == "D"
    assert figures(results.rows()["old"], baseline)["host_grade"] is None


def test_its_speed_is_not_compared_with_another(results):
    (found,) = versus(results.records, "fast", "slow", results.columns, lambda target: True)
    assert "speed_up" not in [contrast.metric for contrast in found.contrasts]
    assert found.problem == "a timing is not ranked (host grade D): repeat it on a quieter machine"


def test_the_terminal_marks_it(results):
    (advice,) = recommend(results.boards(), Wish(), method_cards(), {})
    console = Console(width=200)
    with console.capture() as told:
        console.print(advice_table(advice, 5))
    assert "not ranked (host grade D)" in told.get()


def test_among_runtimes_it_is_not_the_answer():
    found = Results()
    on(found, TARGET, "baseline_fp32", right(320), (1.0, 1.0, 1.0))
    on(found, TARGET, "dynamic_int8", right(320), (2.0, 1.9, 2.1))
    on(found, OTHER, "baseline_fp32", right(320), (1.2, 1.1, 1.3))
    on(found, OTHER, "dynamic_int8", right(320), (3.0, 2.9, 3.1))
    found.records[-1] = grade(found.records[-1], UNFIT)
    (board,) = device_boards(views(found), CARDS, found.columns)
    assert board.entries[0].row.not_ranked
    assert [entry.row.record.cell.target for entry in board.near] == [TARGET]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A store of three variants of each model: graded B, graded D and not graded; and its pages."""
    store = build(tmp_path_factory.mktemp("graded"), shape=SHAPE, plans=PLANS[:3])
    healths = dict(zip((plan.variant for plan in PLANS[:3]), (FIT, UNFIT, None), strict=True))
    for record in store.records():
        if record.status == "ok":
            store.put(grade(record, healths[record.cell.variant]), store.columns(record))
    out = tmp_path_factory.mktemp("pages")
    publish(store, out)
    return store, out


def test_the_board_has_a_column_of_grades_with_their_reasons(site):
    page = Page(site[1] / "model/glyph_clip.html")
    assert page.words.count("Host grade") == 1
    text = row_text(page, "dynamic_int8 · per_tensor")
    assert "not ranked (host grade D)" in text
    assert "faster" not in text
    assert "faster" in row_text(page, "dynamic_int8 · per_channel")
    cells = {
        attributes["title"]: attributes.get("data-value") for tag, attributes in page.elements if tag == "td" and "title" in attributes
    }
    assert cells[UNFIT.reasons[0]] == "3"
    assert cells[FIT.reasons[0]] == "1"
    assert cells["Not graded: recorded before schema 5"] is None


def test_rows_and_the_form_have_grades_to_filter_by(site):
    page = Page(site[1] / "model/glyph_clip.html")
    grades = {attributes["data-grade"] for tag, attributes in page.elements if tag == "tr" and "data-grade" in attributes}
    assert grades == {"B", "D", "\N{EN DASH}"}
    assert any(tag == "select" and attributes.get("name") == "grade" for tag, attributes in page.elements)


def test_every_row_of_a_board_fills_its_columns(site):
    page = Page(site[1] / "model/glyph_clip.html")
    heads = len(re.findall(r"<th ", re.search(r'<table class="board".*?</thead>', page.source, re.DOTALL)[0]))
    for row in re.findall(r"<tr data-family.*?</tr>", page.source, re.DOTALL):
        spans = [int(found[1]) if (found := re.search(r'colspan="(\d+)"', cell)) else 1 for cell in re.findall(r"<t[dh]\b[^>]*>", row)]
        assert sum(spans) == heads


def test_a_record_says_what_kept_it_from_an_a_and_what_was_not_counted(site):
    store, out = site
    words = {record.cell.variant: record_page(out, record).words for record in store.records() if record.cell.model == "glyph_clip"}
    assert (
        "Host grade D: shown and not ranked. What kept it from an A: its process waited for a core for 20.0% of the time (D)."
        in words["per_tensor"]
    )
    assert "a speed that is not ranked (host grade D)" in words["per_tensor"]
    assert "Not counted on this platform: steal." in words["fp32"]
    assert "not graded before schema 5" in words["per_channel"]


def test_every_place_that_names_a_speed_says_that_it_is_not_ranked(site):
    pages = {path: Page(site[1] / path) for path in ("index.html", "method/dynamic_int8.html", "model/glyph_clip.html")}
    for path, page in pages.items():
        assert "not ranked (host grade D)" in page.words, path
    assert re.search(r"as fast \([\d.]+ to [\d.]+\), not ranked \(host grade D\)", pages["model/glyph_clip.html"].source), (
        "on its mark in the chart"
    )


def test_times_of_tokens_are_not_ranked_either(tmp_path):
    golden = next((Path(__file__).parent / "golden").glob("tiny_writer--kv_cache_int8*.json"))
    tokens = decode(golden.read_bytes()).latency.tokens
    store = build(tmp_path / "store", shape=SHAPE, plans=PLANS[:2])
    for record in store.records():
        if record.status == "ok":
            store.put(replace(record, latency=replace(record.latency, tokens=tokens, health=UNFIT)), store.columns(record))
    publish(store, tmp_path / "site")
    record = next(record for record in store.records() if record.cell.method == "dynamic_int8")
    for page in (record_page(tmp_path / "site", record), Page(tmp_path / "site" / "model" / "glyph_clip.html")):
        words = page.words.partition("Token by token")[2]
        assert words.count("not ranked (host grade D)") >= 2


def test_downloads_have_the_grade(site):
    rows = read_csv(site[1])
    assert {row["variant"]: row["host_grade"] for row in rows if row["status"] == "ok"} == {
        "fp32": "B",
        "per_tensor": "D",
        "per_channel": "",
    }


def test_energy_is_shown_with_its_counter_or_with_the_reason(tmp_path):
    store = build(tmp_path / "store", shape=SHAPE, plans=PLANS[:2])
    counted = Energy("RAPL, 1 package", None, Estimate(0.02, 0.019, 0.021), Estimate(0.05, 0.04, 0.06), Estimate(2.5, 2.4, 2.6))
    for record in store.records():
        if record.status == "ok":
            spent = counted if record.cell.method == "dynamic_int8" else Energy(None, "this machine has no RAPL counter of a package")
            store.put(replace(record, latency=replace(record.latency, energy=spent)), store.columns(record))
    publish(store, tmp_path / "site")
    words = {record.cell.method: record_page(tmp_path / "site", record).words for record in store.records()}
    assert "Energy of a request: 0.02 J (0.019 to 0.021), of the baseline 0.05 J, 2.50× as much (2.40 to 2.60)" in words["dynamic_int8"]
    assert "Energy was not measured: this machine has no RAPL counter of a package." in words["baseline_fp32"]
    rows = {row["method"]: row for row in read_csv(tmp_path / "site")}
    assert (rows["dynamic_int8"]["joules"], rows["dynamic_int8"]["joules_ratio_high"]) == ("0.02", "2.6")
    assert rows["baseline_fp32"]["joules"] == ""
