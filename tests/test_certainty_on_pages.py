"""What pages and downloads say of ties, tests and bounds beside the intervals."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from site_pages import Page, publish, read_csv, record_page, row_text
from site_store import PLANS, SHAPE, build

from suite import letters
from suite.record import Estimate, decode
from suite.store import Store
from suite.summarize import Board, Row, summarize


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Records of launches that were added until the interval was narrow, with bounds of percentiles."""
    store = build(tmp_path_factory.mktemp("bounded"), shape=SHAPE, plans=PLANS[:3])
    for record in list(store.records()):
        if record.latency is not None:
            changes = {
                "percentile_bounds_ms": {"p50": 1.511, "p90": 2.522},
                "baseline_percentile_bounds_ms": {"p50": 3.533},
                "stretch": 1.15,
            }
            store.put(msgspec.structs.replace(record, latency=msgspec.structs.replace(record.latency, **changes)), store.columns(record))
    return store


@pytest.fixture(scope="module")
def site(bounded: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    publish(bounded, out)
    return out


def board_of(store: Store) -> Board:
    return next(board for board in summarize(store.records(), store.columns) if board.model == "glyph_clip")


def named(row: Row) -> str:
    return f"{row.record.cell.method} · {row.record.cell.variant}"


def test_the_first_and_the_tied_are_marked(leaderboard: Path, glyph_board: Board) -> None:
    page = Page(leaderboard / "model/glyph_clip.html")
    assert {row.rank == 1 for row in glyph_board.rows} == {row.speed_rank == 1 for row in glyph_board.rows} == {True, False}
    for row in glyph_board.rows:
        source = next(
            found for found in re.findall(r"<tr data-family.*?</tr>", page.source, re.DOTALL) if f'data-value="{named(row)}"' in found
        )
        assert ("best, or tied with the best" in source) is (row.rank == 1)
        assert ("fastest, or tied with the fastest" in source) is (row.speed_rank == 1 and not row.is_baseline)
        assert (f'<td class="ties" data-value="{row.ties}">{row.ties}</td>' in source) is (row.ties is not None)
    assert "Two rows share a letter in the column Ties exactly if they cannot be told apart" in page.words


def test_a_board_without_letters_says_why(bounded: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "ROWS", 2)
    publish(bounded, tmp_path / "site")
    page = Page(tmp_path / "site/model/glyph_clip.html")
    assert "There are no tie letters: they are made for up to 2 rows" in page.words
    assert 'data-key="ties"' not in page.source
    assert 'colspan="6"' in page.source, "failures span one column less"


def test_a_record_s_page_tells_the_test_the_bootstrap_and_the_divergence(site: Path, bounded: Store) -> None:
    row = next(row for row in board_of(bounded).rows if row.record.cell.variant == "per_channel")
    found, words = row.paired, record_page(site, row.record).words
    assert f"McNemar's exact test of the {found.mcnemar.lost + found.mcnemar.gained} items that changed sides: p = " in words
    assert f"(mid-p: p = {found.mcnemar.mid:.2g})" in words
    signed = [f"{value:+.3f}".replace("-", "−") for value in (found.bootstrap.low, found.bootstrap.high)]
    assert f"(a paired bootstrap) gives the difference an interval of {signed[0]} to {signed[1]}, beside" in words
    assert found.divergence["probability"] == pytest.approx(0.5 * (row.flips.lost + row.flips.gained) / 400, abs=1e-3)
    assert (
        f"The column probability, what the model makes of its own answer, moved by {found.divergence['probability']:.2g} on average."
        in words
    )


def test_the_baseline_s_page_has_no_test_against_itself(site: Path, bounded: Store) -> None:
    assert "McNemar" not in record_page(site, board_of(bounded).baseline.record).words


def test_bounds_of_percentiles_stand_below_them(site: Path, bounded: Store) -> None:
    words = record_page(site, board_of(bounded).rows[0].record).words
    assert "≤ 1.511" in words
    assert "≤ 3.533" in words
    assert "≤ is what the figure of a typical launch does not exceed, at a confidence of 99 %." in words
    assert "it is stretched by 1.15" in words


def test_records_before_schema_5_have_no_bounds(bounded: Store, tmp_path: Path) -> None:
    old = Store(tmp_path / "old")
    old.prepare()
    none = {"percentile_bounds_ms": {}, "baseline_percentile_bounds_ms": {}, "stretch": 1.0}
    records = [record for record in bounded.records() if record.latency is not None]
    for record in records:
        old.put(msgspec.structs.replace(record, latency=msgspec.structs.replace(record.latency, **none)), bounded.columns(record))
    publish(old, tmp_path / "site")
    words = record_page(tmp_path / "site", records[0]).words
    assert "≤" not in words
    assert "stretched" not in words


def test_downloads_have_them_all(site: Path, bounded: Store) -> None:
    lines = {line["record"]: line for line in json.loads((site / "data/results.json").read_text())}
    for row in board_of(bounded).rows:
        line = lines[row.record.name]
        assert (line["rank"], line["ties"], line["speed_rank"]) == (row.rank, row.ties, row.speed_rank)
        if row.paired is not None:
            assert (line["mcnemar_p"], line["mcnemar_mid_p"]) == (row.paired.mcnemar.exact, row.paired.mcnemar.mid)
            assert line["difference_bootstrap_low"] == row.paired.bootstrap.low
            assert (line["score"], line["score_divergence"]) == ("probability", row.paired.divergence["probability"])
            assert (line["latency_p90_bound_ms"], line["latency_p99_bound_ms"]) == (2.522, None)
        else:
            assert line["mcnemar_p"] is line["score"] is line["latency_p90_bound_ms"] is None
    assert len(read_csv(site)) == len(lines)


def test_small_chances_are_not_told_to_the_last_digit(leaderboard: Path, glyph_board: Board) -> None:
    row = next(row for row in glyph_board.rows if row.paired and row.paired.mcnemar.exact < 1e-9)
    assert ": p < 0.0001 (mid-p: p < 0.0001)" in record_page(leaderboard, row.record).words
    assert row_text(Page(leaderboard / "model/glyph_clip.html"), named(row))


def test_a_control_that_is_off_is_told_on_its_board_and_records(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    for record in list(store.records()):
        if record.cell.method == "baseline_fp32" and record.cell.model == "glyph_clip":
            latency = msgspec.structs.replace(record.latency, speed_up=Estimate(0.97, 0.96, 0.98))
            store.put(msgspec.structs.replace(record, latency=latency), store.columns(record))
    publish(store, tmp_path / "site")
    said = "came out 0.970× as fast as itself (0.960 to 0.980), where 1 is right"
    models = {record.cell.model for record in store.records() if record.latency is not None}
    for model in models:
        assert (said in Page(tmp_path / f"site/model/{model}.html").words) is (model == "glyph_clip")
    pages = [
        record_page(tmp_path / "site", record).words for record in store.records() if record.cell.model == "glyph_clip" and record.latency
    ]
    assert all(said in words for words in pages)
    assert len(pages) == 3


def test_times_of_tokens_are_held_against_the_control_too(tmp_path: Path) -> None:
    """The uncompressed model's own are a tie, and so is what is as fast as those."""
    golden = next((Path(__file__).parent / "golden").glob("tiny_writer--kv_cache_int8*.json"))
    tokens = decode(golden.read_bytes()).latency.tokens
    speeds = {"fp32": (1.02, 1.015, 1.025), "per_channel": (1.024, 1.015, 1.033), "per_tensor": (1.5, 1.4, 1.6)}
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    for record in list(store.records()):
        if record.latency is not None:
            speed = Estimate(*speeds[record.cell.variant])
            timed = msgspec.structs.replace(tokens, first_token_speed_up=speed, inter_token_speed_up=speed)
            store.put(msgspec.structs.replace(record, latency=msgspec.structs.replace(record.latency, tokens=timed)), store.columns(record))
    publish(store, tmp_path / "site")
    for record in store.records():
        if record.latency is not None:
            words = record_page(tmp_path / "site", record).words.partition("Token by token")[2].partition("Environment")[0]
            assert (words.count("≈ tie"), words.count("▲ faster")) == ((0, 2) if record.cell.variant == "per_tensor" else (2, 0))
    words = Page(tmp_path / "site/model/glyph_clip.html").words.partition("Token by token")[2]
    assert words.count("▲ faster") == 2
