"""The answers of the front page, and the names of files."""

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page, publish
from site_store import PLANS, SHAPE, Plan, build

from suite.filters import agreement
from suite.pages import BoardView, Cards, answers, slug
from suite.store import Store
from suite.summarize import Board, Row, summarize


def test_short_answers_name_the_best_and_its_ties(leaderboard: Path, site_records: Store) -> None:
    words = Page(leaderboard / "index.html").words
    for board in summarize(site_records.records(), site_records.columns):
        found = BoardView(board, Cards(model_cards(), method_cards(), target_cards())).answers
        assert found.smallest
        assert found.fastest
        assert all(row.accuracy_verdict != "worse" for row in (*found.smallest, *found.fastest))
        assert found.fastest[0].speed_up.value == max(
            row.speed_up.value for row in board.rows if row.difference and not row.is_baseline and row.accuracy_verdict != "worse"
        )
        assert all(row.speed_up.high >= found.fastest[0].speed_up.low for row in found.fastest)
        assert all(row.difference.low >= -0.02 for row in found.margin)
        assert f"{found.fastest[0].speed_up.value:.2f}× as fast {found.fastest[0].record.cell.method}" in words
        if len(found.smallest) > 1:
            other = found.smallest[1].record.cell
            assert f"tied with {other.method} · {other.variant}" in words


def test_a_noisy_timing_is_the_fastest_only_if_all_are(glyph_board: Board) -> None:
    def noisy(row: Row) -> Row:
        return replace(row, record=msgspec.structs.replace(row.record, latency=msgspec.structs.replace(row.record.latency, noisy=True)))

    best = answers(glyph_board, True).fastest[0]
    spoiled = answers(replace(glyph_board, rows=tuple(noisy(row) if row is best else row for row in glyph_board.rows)), True)
    assert best.record.name not in [row.record.name for row in spoiled.fastest]
    assert spoiled.fastest
    drowned = answers(replace(glyph_board, rows=tuple(noisy(row) if row.speed_up else row for row in glyph_board.rows)), True)
    assert drowned.fastest[0].record.name == best.record.name
    assert answers(glyph_board, False).fastest == ()


def test_no_answer_is_said_so(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=[PLANS[0], Plan("magnitude_pruning", "local_70", 0.01, 1.0, 1.0)])
    publish(store, tmp_path / "site")
    assert Page(tmp_path / "site/index.html").words.count("None of 1 variants") == 6


def test_slugs_are_plain_and_never_meet() -> None:
    texts = ["a", "A", "a/b", "a-b", "../x", "..", "", " ", "é", "<script>", "CON", "x" * 300, "x" * 301, "a.b_c-1", "\ud800"]
    slugs = [slug(text) for text in texts]
    assert len(set(slugs)) == len(texts)
    assert all(re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", found) and len(found) <= 150 for found in slugs)
    assert slug("a.b_c-1") == "a.b_c-1"


@pytest.mark.parametrize(("differ", "words"), [(0, "100.0"), (1, "99.9"), (2, "99.9"), (1000, "50.0"), (2000, "0.0")])
def test_one_answer_that_differs_is_no_full_agreement(differ: int, words: str) -> None:
    assert agreement((2000 - differ) / 2000) == words
