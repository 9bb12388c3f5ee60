"""The coverage matrix: what ran, what could not and why, what failed and why, and what was never tried."""

import re
from itertools import product
from pathlib import Path

import pytest
from boards import Results, right
from browsing import BROWSER, visit
from msgspec.structs import replace
from playwright.sync_api import expect
from site_cards import method_cards
from site_pages import Page, publish
from site_store import PLANS, SHAPE, build, elsewhere

from suite.coverage import matrices, state
from suite.pages import BoardView, Cards
from suite.store import Store
from suite.summarize import Row, summarize

CARDS = Cards({}, method_cards(), {})


def rows_of(results: Results, cards: Cards = CARDS):
    return matrices([BoardView(board, cards) for board in results.boards()], cards)


@pytest.fixture
def results() -> Results:
    results = Results()
    for model, method in product(("a", "b"), ("baseline_fp32/fp32", "static_int8/matmul", "int4_rtn/block_128", "int4_rtn/block_32")):
        if (model, method) != ("b", "int4_rtn/block_32"):
            results.add(method, right(300), cell={"model": model})
    return results


def fail(results: Results, model: str, method: str, status: str, reason: str) -> None:
    name, _, variant = method.partition("/")
    record = results.fail(name, status)
    results.records[-1] = replace(record, reason=reason, cell=replace(record.cell, model=model, variant=variant))


def test_every_square_is_in_the_state_of_its_record(results: Results) -> None:
    fail(results, "a", "gptq/int4", "unsupported", "it has no MatMul")
    fail(results, "b", "gptq/int4", "timeout", "it took too long")
    (matrix,) = rows_of(results)
    assert [view.board.model for view in matrix.views] == ["a", "b"]
    found = {(method, line.variant): [square.state for square in line.squares] for method, lines in matrix.methods for line in lines}
    assert found == {
        ("baseline_fp32", "fp32"): ["ok", "ok"],
        ("static_int8", "matmul"): ["ok", "ok"],
        ("int4_rtn", "block_32"): ["ok", "none"],
        ("int4_rtn", "block_128"): ["ok", "ok"],
        ("gptq", "int4"): ["unsupported", "failed"],
    }
    assert dict(matrix.counts) == {"ok": 7, "unsupported": 1, "failed": 1, "none": 1}
    assert {model: of["ok"] for model, of in matrix.by_model.items()} == {"a": 4, "b": 3}
    assert matrix.untried == tuple(sorted(method_cards().keys() - {"baseline_fp32", "static_int8", "int4_rtn"}))


def test_families_come_in_the_order_of_the_legend_and_variants_in_that_of_the_card(results: Results) -> None:
    results.add("magnitude_pruning/local_30", right(10), cell={"model": "a"})
    results.add("dynamic_int8/zz_not_on_the_card", right(10), cell={"model": "a"})
    results.add("dynamic_int8/all_ops", right(10), cell={"model": "a"})
    results.add("dynamic_int8/per_tensor", right(10), cell={"model": "a"})
    (matrix,) = rows_of(results)
    assert [method for method, _ in matrix.methods] == ["baseline_fp32", "dynamic_int8", "int4_rtn", "static_int8", "magnitude_pruning"]
    lines = dict(matrix.methods)
    assert [line.variant for line in lines["dynamic_int8"]] == ["per_tensor", "all_ops", "zz_not_on_the_card"]
    assert [line.variant for line in lines["int4_rtn"]] == ["block_32", "block_128"], "not in the order of the alphabet"


def test_a_reason_is_told_once_and_every_square_of_it_has_its_number(results: Results) -> None:
    for model, variant in product(("a", "b"), ("x", "y")):
        fail(results, model, f"gptq/{variant}", "unsupported", "it has no MatMul")
    fail(results, "b", "wanda/x", "unsupported", "it needs activations")
    (matrix,) = rows_of(results)
    assert [(reason.words, len(reason.rows)) for reason in matrix.reasons] == [("it has no MatMul", 4), ("it needs activations", 1)]
    numbers = {(method, line.variant): [square.note for square in line.squares] for method, lines in matrix.methods for line in lines}
    assert numbers["gptq", "x"] == numbers["gptq", "y"] == [1, 1]
    assert numbers["wanda", "x"] == [None, 2]
    assert numbers["static_int8", "matmul"] == [None, None]


def test_other_places_and_test_sets_have_a_matrix_of_their_own(results: Results) -> None:
    results.add("static_int8/matmul", right(10), cell={"model": "a", "tier": "full"})
    results.add("static_int8/matmul", right(10), cell={"model": "a", "test_seed": 7})
    results.add("static_int8/matmul", right(10), cell={"model": "a"}, environment={"cpu": "Another CPU"})
    found = rows_of(results)
    assert len(found) == 4
    assert len({matrix.anchor for matrix in found}) == 4
    assert sum(matrix.counts["ok"] for matrix in found) == 7 + 3


def test_a_record_of_one_component_covers_nothing(results: Results) -> None:
    results.add("gptq/x", right(10), cell={"model": "a", "component": "text"})
    (matrix,) = rows_of(results)
    assert "gptq" not in dict(matrix.methods)


def test_states_are_those_of_the_records() -> None:
    results = Results()
    record = results.add("a", right(3))
    assert state(None) == "none"
    assert state(Row(record=record, metric="recall_at_1")) == "ok"
    assert state(Row(record=results.fail("b", "claim_not_borne_out"), metric="")) == "failed"


def test_the_page_tells_every_state_with_its_record_and_reason(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    next(path for path in store.folder.glob("scene_vqa--dynamic_int8--per_channel*.json")).unlink()
    publish(store, tmp_path / "site")
    page = Page(tmp_path / "site/coverage.html")
    assert "✓ ok5 ○ unsupported2 ✗ failed2 – not measured1" in page.words
    assert page.words.count("the worker ended with signal 11 (SIGSEGV)") == 1
    squares = re.findall(r'<td class="(ok|unsupported|failed|none)">', page.source)
    assert [squares.count(name) for name in ("ok", "unsupported", "failed", "none")] == [5, 2, 2, 1]
    for record in store.records():
        assert f"record/{record.name}.html" in page.links
    assert [link for link in page.links if "-reason-" in link], "the numbers lead to the reasons"
    assert "Never tried on this machine: int4_rtn" in page.words


def test_several_matrices_are_counted_in_one_table_and_the_first_lies_open(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    publish(store, tmp_path / "one")
    alone = Page(tmp_path / "one/coverage.html").source
    assert [alone.count("<table"), alone.count("<details>")] == [1, 0]
    elsewhere(store, 1)
    for record in list(store.records()):
        if record.environment.cpu == "Machine 1" and record.cell.model == "scene_vqa":
            store.path(record.name).unlink()
    publish(store, tmp_path / "two")
    page = Page(tmp_path / "two/coverage.html")
    overview = re.search(r"<tbody>.*?</tbody>", page.source, re.DOTALL)[0]
    lines = [line.split("</th>")[1] for line in overview.split("</tr>")[1:-1]]
    told = [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in line.split("</td>")[:-1]] for line in lines]
    assert told == [["✓ 3 ok ✗ 1 failed"] * 2, ["✓ 3 ok ✗ 1 failed", "– not measured"]]
    assert set(re.findall(r'href="#([^"]+)"', overview)) <= set(page.ids)
    assert [page.source.count("<table"), page.source.count("<details>")] == [3, 1]
    assert page.source.index("<details>") > page.source.rindex("<h2"), "where most was measured lies open"


def test_summaries_of_nothing_make_an_empty_page(tmp_path: Path) -> None:
    publish(Store(tmp_path / "none"), tmp_path / "site")
    assert "There are no records yet" in Page(tmp_path / "site/coverage.html").words


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
def test_it_is_whole_on_a_narrow_screen_without_scripts_and_by_keyboard(browser, address: str) -> None:
    page = visit(browser, f"{address}/coverage.html", viewport={"width": 375, "height": 800}, java_script_enabled=False)
    table = page.locator("table.coverage")
    box, screen = table.bounding_box(), 375
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= screen
    failed_square = table.locator("td.failed a").first
    failed_square.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#.*-reason-\d+$"))
    assert page.locator("ol.reasons li:target").is_visible()
    page.context.close()


def test_the_store_of_the_tests_is_summarized_as_the_matrix_shows(site_records: Store) -> None:
    boards = summarize(site_records.records(), site_records.columns)
    (matrix,) = matrices([BoardView(board, CARDS) for board in boards], CARDS)
    records = [record for record in site_records.records() if record.cell.component is None]
    assert sum(matrix.counts.values()) - matrix.counts["none"] == len(records)
    assert matrix.counts["failed"] == sum(record.status == "crashed" for record in records)
