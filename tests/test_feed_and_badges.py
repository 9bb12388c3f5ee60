"""What others may take from the site: downloads with their schemas, an Atom feed, badges."""

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page, read_csv

from suite.downloads import flat, table
from suite.pages import BoardView, Cards
from suite.publishing.badges import badge, badges, best
from suite.publishing.feed import ENTRIES, LISTED, Entry, by_day, feed, tally
from suite.publishing.schema import KINDS, NEVER_NULL, kind, of_rows, parquet
from suite.record import SCHEMA
from suite.store import Store
from suite.summarize import summarize

EVIL = "<script>alert('x')</script>\x00\x0b\ud800]]>&\""
ATOM = "{http://www.w3.org/2005/Atom}"


def rows_of(site: Path) -> list[dict[str, object]]:
    return json.loads((site / "data/results.json").read_text())


def test_a_shard_holds_one_model_on_one_target(leaderboard: Path) -> None:
    shards = {path.stem: json.loads(path.read_text()) for path in (leaderboard / "data/shards").glob("*.json")}
    assert set(shards) == {"glyph_clip--x86_cpu_ort", "scene_vqa--x86_cpu_ort"}
    assert all(f"{row['model']}--{row['target']}" == name for name, rows in shards.items() for row in rows)
    assert [row for name in sorted(shards) for row in shards[name]] == rows_of(leaderboard), "together they are everything, in order"
    texts = [(leaderboard / f"data/shards/{name}.csv").read_text() for name in sorted(shards)]
    lines = [list(csv.DictReader(io.StringIO(text, newline=""))) for text in texts]
    assert [line for shard in lines for line in shard] == read_csv(leaderboard)


def test_a_record_is_published_byte_for_byte(leaderboard: Path, site_records: Store) -> None:
    for stem in site_records.stems():
        assert (leaderboard / f"data/{stem}.json").read_bytes() == site_records.path(stem).read_bytes()


def test_rows_are_what_their_schema_says(leaderboard: Path) -> None:
    schema = json.loads((leaderboard / "data/results.schema.json").read_text())
    types = {"string": str, "integer": int, "number": int | float, "boolean": bool}
    rows = rows_of(leaderboard)
    assert schema == json.loads(of_rows(rows[0]))
    assert {name for names in KINDS.values() for name in names} <= set(rows[0]), "no kind of a column that is not there"
    for row in rows:
        assert list(row) == schema["items"]["required"]
        for name, value in row.items():
            assert value is None if value is None else isinstance(value, types[kind(name)]), name
            assert isinstance(value, bool) == (kind(name) == "boolean") or value is None, name
            assert value is not None or name not in NEVER_NULL


def test_the_schema_of_a_record_is_that_of_the_class(leaderboard: Path) -> None:
    schema = json.loads((leaderboard / "data/record.schema.json").read_text())
    record = schema["$defs"]["Record"]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert record["properties"]["schema"]["default"] == SCHEMA
    assert record["additionalProperties"] is False
    assert {"key", "cell", "provenance", "environment"} <= set(record["required"])
    published = json.loads(next((leaderboard / "data").glob("*--*.json")).read_text())
    assert set(published) <= set(record["properties"])


def test_parquet_holds_the_same_rows(leaderboard: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    file = pq.ParquetFile(leaderboard / "data/results.parquet")
    assert file.read().to_pylist() == rows_of(leaderboard)
    assert file.num_row_groups == 2


def test_without_pyarrow_there_is_no_parquet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert parquet([], ["record"], tmp_path / "none.parquet") is False
    assert not list(tmp_path.iterdir())


def test_text_that_a_spreadsheet_would_run_gets_a_quote() -> None:
    assert list(csv.reader(io.StringIO(table([{"reason": "=1+1"}, {"reason": "@x"}, {"reason": "plain"}])))) == [
        ["reason"], ["'=1+1"], ["'@x"], ["plain"],
    ]  # fmt: skip


def test_every_download_is_linked_from_the_page_of_data(leaderboard: Path) -> None:
    links = set(Page(leaderboard / "data.html").links)
    assert {"data/results.csv", "data/results.json", "data/results.schema.json", "data/record.schema.json", "feed.xml"} <= links
    assert {f"data/shards/{path.name}" for path in (leaderboard / "data/shards").iterdir()} <= links
    assert {f"badge/{path.name}" for path in (leaderboard / "badge").iterdir()} <= links
    assert ("data/results.parquet" in links) == (leaderboard / "data/results.parquet").exists()


def test_the_feed_is_atom_and_names_the_rows_of_boards(leaderboard: Path) -> None:
    root = ElementTree.parse(leaderboard / "feed.xml").getroot()
    assert root.tag == f"{ATOM}feed"
    (entry,) = root.findall(f"{ATOM}entry")
    count = sum(row["component"] is None for row in rows_of(leaderboard))
    assert entry.findtext(f"{ATOM}title") == f"{count} rows measured on 2026-11-22"
    assert entry.findtext(f"{ATOM}updated") == root.findtext(f"{ATOM}updated") == "2026-11-22T00:00:00Z"
    assert "glyph_clip · int4_rtn/block_32 · x86_cpu_ort: ok" in entry.findtext(f"{ATOM}content")
    assert len({each.text for each in root.iter(f"{ATOM}id")}) == 2


def test_a_feed_is_bounded_newest_first_and_text_in_it_stays_text() -> None:
    entries = [Entry(f"rows/{n}", EVIL, f"2026-01-{n:02d}", f"x.html?{EVIL}", EVIL) for n in range(1, 29)]
    root = ElementTree.fromstring(feed([*entries, *[Entry(f"b/{n}", "", EVIL, "", "") for n in range(60)]]))
    times = [each.text for each in root.iter(f"{ATOM}updated")]
    assert len(times) == ENTRIES + 1
    assert times[1:] == sorted(times[1:], reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", moment) for moment in times)
    assert "<script>alert('x')</script>" in str(next(root.iter(f"{ATOM}content")).text)
    assert not list(root.iter("script"))
    assert ElementTree.fromstring(feed([])).findall(f"{ATOM}entry") == []


def test_days_of_several_shards_are_one_entry() -> None:
    row = {"component": None, "created": "2026-11-22T14:00:00Z", "model": "m", "method": "x", "target": "t", "status": "ok"}
    parts = [tally({**row, "variant": f"{part}{n:03}"} for n in range(40)) for part in "ab"]
    (entry,) = by_day([*parts, tally([{**row, "variant": "alone", "component": "text"}])])
    assert entry.title == "80 rows measured on 2026-11-22"
    assert len(entry.text.splitlines()) == LISTED + 1
    assert entry.text.endswith(f"and {80 - LISTED} more")


def test_a_badge_says_what_its_best_row_says(site_records: Store, leaderboard: Path) -> None:
    records = list(site_records.records())
    boards = summarize(records, lambda record: site_records.columns(record))
    views = [BoardView(board, Cards(model_cards(), method_cards(), target_cards())) for board in boards]
    made = dict(badges(views))
    assert {path.name for path in (leaderboard / "badge").iterdir()} == {path.removeprefix("badge/") for path in made}
    rows = [row for row in boards[0].rows if row.record.cell.method == "int4_rtn"]
    row = best(rows)
    assert row.bytes == min(each.bytes for each in rows if each.accuracy_verdict != "worse")
    title = ElementTree.fromstring(made["badge/int4_rtn--glyph_clip.svg"]).findtext("{http://www.w3.org/2000/svg}title")
    assert title.startswith(f"int4_rtn/{row.record.cell.variant} on glyph_clip: {row.size_ratio:.1f}× smaller")
    assert title.endswith("no measurable loss")
    lost = ElementTree.fromstring(made["badge/magnitude_pruning--glyph_clip.svg"]).findtext("{http://www.w3.org/2000/svg}title")
    assert "−0." in lost


def test_text_in_a_badge_stays_text() -> None:
    root = ElementTree.fromstring(badge(EVIL, EVIL * 9, "#000000"))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "title", "rect", "g", "text"}
    assert not any(name.startswith("on") or name == "style" or "href" in name for element in root.iter() for name in element.attrib)


def test_flat_rows_have_the_same_columns_whatever_became_of_the_cell(site_records: Store) -> None:
    records = list(site_records.records())
    cards = Cards({}, {}, {})
    boards = summarize(records, lambda record: site_records.columns(record))
    assert len({tuple(flat(row, cards, True)) for board in boards for row in board.rows}) == 1
    assert msgspec.json.encode([flat(row, cards, True) for board in boards for row in board.rows])
