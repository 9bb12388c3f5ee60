"""What the pages say, that they say what the records say, and that they hang together."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from site_cards import target_cards
from site_pages import ELSEWHERE, Page, assert_inert, pages, publish, read_csv, record_page, row_text
from site_store import ENVIRONMENT, PLANS, SHAPE, TARGET, build, key

from suite import website
from suite.record import encode
from suite.store import COLUMNS, Store
from suite.summarize import Board


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build(tmp_path_factory.mktemp("few"), shape=SHAPE, plans=PLANS[:2])


def test_ties_and_shared_ranks_are_shown(leaderboard: Path, glyph_board: Board) -> None:
    page = Page(leaderboard / "model/glyph_clip.html")
    ranks = [row.rank for row in glyph_board.rows]
    tied = next(row for row in glyph_board.rows if row.accuracy_verdict == "tie" and not row.is_baseline)
    alone = next(row for row in glyph_board.rows if row.rank and ranks.count(row.rank) == 1)
    assert ranks.count(tied.rank) > 1
    text = row_text(page, f"{tied.record.cell.method} · {tied.record.cell.variant}")
    assert text.startswith(f"={tied.rank} ")
    assert "≈ tie" in text
    assert row_text(page, f"{alone.record.cell.method} · {alone.record.cell.variant}").startswith(f"{alone.rank} ")


def test_rows_show_the_figures_of_their_records(leaderboard: Path, glyph_board: Board) -> None:
    page = Page(leaderboard / "model/glyph_clip.html")
    for row in glyph_board.rows:
        text = row_text(page, f"{row.record.cell.method} · {row.record.cell.variant}")
        if row.accuracy is None or row.bytes is None or row.is_baseline or row.flips is None or row.speed_up is None:
            continue
        assert f"{row.accuracy.value:.3f} {row.accuracy.low:.3f} to {row.accuracy.high:.3f}" in text
        assert f"{row.bytes / 1e6:.2f} {row.size_ratio:.1f}×" in text
        assert f"{row.speed_up.value:.2f}×" in text


def test_failures_are_shown_with_status_and_reason(leaderboard: Path) -> None:
    page = Page(leaderboard / "model/glyph_clip.html")
    assert "crashed the worker ended with signal 11 (SIGSEGV)" in row_text(page, "width_pruning · keep_50")
    assert "unsupported the fusion component shares its width" in row_text(page, "width_pruning · keep_75")


def test_failures_have_a_page(leaderboard: Path, site_records: Store) -> None:
    record = next(record for record in site_records.records() if record.status == "crashed")
    words = record_page(leaderboard, record).words
    assert "There is no result: crashed. the worker ended with signal 11 (SIGSEGV)" in words
    assert record.provenance.command in words


def test_record_page_tells_everything(leaderboard: Path, glyph_board: Board) -> None:
    row = next(row for row in glyph_board.rows if row.record.cell.variant == "per_channel")
    words, record = record_page(leaderboard, row.record).words, row.record
    assert f"it is {row.size_ratio:.1f}× smaller and {row.speed_up.value:.2f}× as fast" in words
    assert f"{row.flips.lost} lost, {row.flips.gained} gained" in words
    for expected in (
        record.key,
        record.provenance.model_sha256,
        record.provenance.command,
        ENVIRONMENT.cpu,
        "Cyrillic",
        "vision.onnx",
        "8 bit for 97.1 %",
    ):
        assert expected in words
    dots = re.findall('class="quads" d="([^"]*)', record_page(leaderboard, record).source)
    assert [path.count("h0") for path in dots] == [SHAPE[1]] * SHAPE[0]


def test_operations_stand_beside_the_baselines(leaderboard: Path, glyph_board: Board) -> None:
    row = next(row for row in glyph_board.rows if row.record.cell.method == "dynamic_int8")
    artifact, baseline = row.record.artifact, glyph_board.baseline.record.artifact  # type: ignore[union-attr]
    assert artifact
    assert baseline
    assert row.bit_operations_ratio == baseline.operations("bit_operations") / artifact.operations("bit_operations")  # type: ignore[operator]
    words = record_page(leaderboard, row.record).words
    for part in (artifact.parts["vision"], baseline.parts["vision"]):
        assert f"{(part.macs or 0) / 1e6:,.1f}" in words


def test_operators_that_were_not_counted_are_named(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:1])
    record = next(record for record in store.records() if record.status == "ok")
    artifact = record.artifact
    assert artifact
    unknown = msgspec.structs.replace(artifact.parts["text"], macs=None, nonzero_macs=None, bit_operations=None, uncounted=("GRU", "LSTM"))
    parts = artifact.parts | {"text": unknown}
    store.put(msgspec.structs.replace(record, artifact=msgspec.structs.replace(artifact, parts=parts)), store.columns(record))
    publish(store, tmp_path / "site")
    assert "textnot counted: GRU, LSTM" in record_page(tmp_path / "site", record).words


def test_verdict_is_worded_by_what_was_measured(leaderboard: Path, glyph_board: Board) -> None:
    words = {row.record.cell.variant: record_page(leaderboard, row.record).words for row in glyph_board.rows if row.record.status == "ok"}
    assert "This is the uncompressed Glyph CLIP" in words["fp32"]
    assert "with a loss of" in words["local_70"]
    assert "no smaller and" in words["local_70"]
    assert "slower (0.9" in words["block_32"]


def test_every_page_has_the_strict_policy_and_nothing_inline(leaderboard: Path) -> None:
    for page in pages(leaderboard):
        policies = [a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
        assert policies == [
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; font-src 'none'; "
            "connect-src 'none'; base-uri 'none'; form-action 'none'"
        ]
        assert_inert(page)


def test_every_link_resolves(leaderboard: Path) -> None:
    made = list(pages(leaderboard))
    known = {page.path.resolve(): set(page.ids) for page in made}
    for page in made:
        assert len(page.ids) == len(set(page.ids)), f"an id twice on {page.path}"
        for link in page.links:
            if link.startswith(ELSEWHERE):
                continue
            target, _, anchor = link.partition("#")
            anchor = "" if anchor.startswith("?") else anchor  # the state of a page with a script
            path = (page.path.parent / unquote(target)).resolve() if target else page.path.resolve()
            assert path.is_file(), f"{link} on {page.path}"
            assert not anchor or anchor in known[path], f"{link} on {page.path}"


def test_headings_are_in_order_and_tables_have_captions(leaderboard: Path) -> None:
    for page in pages(leaderboard):
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels)), page.path
        tags = [tag for tag, _ in page.elements]
        assert tags.count("table") == tags.count("caption")


def test_downloads_equal_the_records(leaderboard: Path, site_records: Store, glyph_board: Board) -> None:
    listed = {row["record"]: row for row in json.loads((leaderboard / "data/results.json").read_text())}
    table = {row["record"]: row for row in read_csv(leaderboard)}
    records = {record.name: record for record in site_records.records()}
    assert set(listed) == set(table) == set(records)
    for row in glyph_board.rows:
        found, line, figures = listed[row.record.name], table[row.record.name], row.record.figures()
        assert found["status"] == line["status"] == row.record.status
        if row.accuracy is None or row.difference is None:
            assert line["accuracy"] == ""
            continue
        assert (found["accuracy"], found["accuracy_low"]) == (row.accuracy.value, row.accuracy.low)
        assert (found["difference_high"], found["lost"]) == (row.difference.high, row.flips.lost if row.flips else None)
        assert {name: found[name] for name in ("bytes", "zstd_bytes", "speed_up", "latency_ms", "compress_s")}.items() <= figures.items()
        assert float(line["speed_up"]) == figures["speed_up"]
        assert int(line["bytes"]) == figures["bytes"]


def test_raw_files_lie_beside_the_pages(leaderboard: Path, site_records: Store) -> None:
    for record in site_records.records():
        assert (leaderboard / "data" / f"{record.name}.json").read_bytes() == encode(record)
        if record.columns_sha256:
            name = record.name + COLUMNS
            assert (leaderboard / "data" / name).read_bytes() == (site_records.folder / name).read_bytes()


def test_times_of_an_emulated_target_are_not_shown(few: Store, tmp_path: Path) -> None:
    targets = {TARGET: replace(target_cards()[TARGET], ranks_latency=False)}
    publish(few, tmp_path / "site", targets=targets)
    front, page = Page(tmp_path / "site/index.html"), Page(tmp_path / "site/model/glyph_clip.html")
    assert "Times are not ranked here" in front.words
    assert " as fast" not in front.words
    assert "Accuracy against speed" not in page.words
    assert "not ranked" in row_text(page, "dynamic_int8 · per_tensor")
    assert "▲ faster" not in page.words


def test_a_newer_record_takes_the_place_of_an_older(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    old = next(record for record in store.records() if record.cell.method == "dynamic_int8" and record.cell.model == "glyph_clip")
    new = msgspec.structs.replace(old, key=key("newer"), created="2026-12-01T00:00:00Z")
    store.put(new, store.columns(old))
    publish(store, tmp_path / "site")
    assert f"record/{new.name}.html" in Page(tmp_path / "site/index.html").links
    assert f"record/{old.name}.html" not in Page(tmp_path / "site/index.html").links
    assert f"../record/{new.name}.html" in record_page(tmp_path / "site", old).links
    current = {row["record"]: row["current"] for row in json.loads((tmp_path / "site/data/results.json").read_text())}
    assert current[old.name] is False
    assert current[new.name] is True


def test_incomparable_records_say_what_differs(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    record = next(record for record in store.records() if record.cell.method == "dynamic_int8" and record.cell.model == "glyph_clip")
    provenance = msgspec.structs.replace(record.provenance, model_sha256="f" * 64)
    store.put(msgspec.structs.replace(record, provenance=provenance), store.columns(record))
    publish(store, tmp_path / "site")
    assert "model revision differs from the baseline's" in row_text(Page(tmp_path / "site/index.html"), "dynamic_int8 · per_tensor")
    assert "It cannot be compared with a baseline: model revision differs" in record_page(tmp_path / "site", record).words


def test_the_front_page_leaves_rows_to_the_models(leaderboard: Path) -> None:
    front, model = Page(leaderboard / "index.html"), Page(leaderboard / "model/glyph_clip.html")
    assert front.source.count("<tr data-family") == 2 * website.FIRST_ROWS
    assert f"The {website.FIRST_ROWS} most accurate of 20" in front.words
    assert model.source.count("<tr data-family") == 20


def test_plotly_is_a_local_file_with_its_licence(leaderboard: Path) -> None:
    head = (leaderboard / "assets/plotly.min.js").read_text(encoding="utf-8")[:300]
    assert "plotly.js" in head
    assert "MIT" in head


def test_every_family_and_shape_has_a_colour(leaderboard: Path) -> None:
    styles = (leaderboard / "assets/charts.css").read_text()
    used = {name for page in pages(leaderboard) for _, attributes in page.elements for name in (attributes.get("class") or "").split()}
    for name in sorted(name for name in used if name.startswith("family-")):
        assert f".{name} " in styles, name
