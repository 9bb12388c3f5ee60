"""The rows that the scripts read are those of the records."""

import json
from pathlib import Path

import pytest
from site_cards import method_cards, model_cards, target_cards
from site_pages import publish
from site_store import PLANS, SHAPE, TARGET, build, failed

from suite.pages import BoardView, Cards
from suite.rows import KEY, script, short, tables
from suite.summarize import Board


def read(text: str) -> dict:
    """What the script sets."""
    start, end = "self.squeezemark=JSON.parse(", ");\n"
    assert text.startswith(start)
    assert text.endswith(end)
    return json.loads(json.loads(text[len(start) : -len(end)]))


@pytest.fixture
def cards() -> Cards:
    return Cards(model_cards(), method_cards(), target_cards())


def test_every_row_is_there_with_its_figures(leaderboard: Path, glyph_board: Board) -> None:
    found = read((leaderboard / "data/rows.js").read_text())
    columns, boards = found["rows"], found["boards"]
    assert {len(column) for column in columns.values()} == {2 * len(glyph_board.rows)}
    places = {key: place for place, key in enumerate(columns["key"])}
    for row in glyph_board.rows:
        place = places[row.record.key[:KEY]]
        assert boards[columns["board"][place]]["model"] == "glyph_clip"
        assert found["methods"][columns["method"][place]]["name"] == row.record.cell.method
        assert columns["rank"][place] == row.rank
        assert columns["bytes"][place] == row.bytes
        if row.difference and row.speed_up:
            assert columns["differenceLow"][place] == pytest.approx(row.difference.low, abs=1e-6)
            assert columns["speedHigh"][place] == pytest.approx(row.speed_up.high, rel=1e-5)
            assert columns["speedVerdict"][place] == row.speed_verdict
        else:
            assert (columns["accuracy"][place], columns["reason"][place]) == (None, row.record.reason)


def test_times_of_an_emulated_target_are_left_out(glyph_board: Board, cards: Cards) -> None:
    from dataclasses import replace

    slow = Cards(cards.models, cards.methods, {TARGET: replace(cards.targets[TARGET], ranks_latency=False)})
    found = tables([BoardView(glyph_board, slow)], slow)
    assert not {"speed", "latency", "grade"} & set(found["rows"])
    assert found["targets"][TARGET]["ranked"] is False
    assert "speed" in tables([BoardView(glyph_board, cards)], cards)["rows"]


def test_a_name_that_is_no_file_name_says_where_its_page_is(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    store.put(failed("glyph_clip", "A b", "<i>\u2028", "crashed", "why"))
    publish(store, tmp_path / "site")
    text = (tmp_path / "site/data/rows.js").read_text()
    assert text.isascii()
    columns = read(text)["rows"]
    pages = [page for page in columns["page"] if page]
    assert len(pages) == 1
    assert (tmp_path / f"site/record/{pages[0]}.html").is_file()


def test_figures_are_short_and_finite() -> None:
    assert short(1.23456789) == 1.23457
    assert short(None) is None
    assert short(float("nan")) is None
    assert read(script(tables([], Cards({}, {}, {}))))["rows"] == {}


def test_a_model_of_one_file_is_named_as_commands_take_it(glyph_board: Board, cards: Cards) -> None:
    from dataclasses import replace

    from msgspec import structs

    baseline = glyph_board.baseline
    assert baseline is not None
    command = "squeezemark run --model glyph_clip.py --methods baseline_fp32,baseline_fp32/fp32 --targets x86_cpu_ort --tier quick"
    given = structs.replace(baseline.record, provenance=structs.replace(baseline.record.provenance, command=command))
    own = replace(glyph_board, rows=tuple(replace(row, record=given) if row.is_baseline else row for row in glyph_board.rows))
    assert tables([BoardView(own, cards)], cards)["boards"][0]["given"] == "glyph_clip.py"
    assert "given" not in tables([BoardView(glyph_board, cards)], cards)["boards"][0]
