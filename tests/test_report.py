"""`squeezemark report`: where a method lies among the others, by intervals, and nothing that a record says becomes markup."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT
from site_cards import method_cards, target_cards
from site_store import PLANS, Plan, build, failed, put

from suite.errors import UnknownName
from suite.report import as_rows, gather, report
from suite.report_page import html, markdown, plain
from suite.store import Store
from suite.summarize import summarize

METHODS, TARGETS = method_cards(), target_cards()

MINE = "dynamic_int8"
HOSTILE = "<img src=x onerror=alert(1)>[a](https://evil.example)|`b`"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A board on which everything about four methods is known."""
    plans = (
        PLANS[0],
        Plan(MINE, "good", 0.995, 0.25, 2.0),
        Plan(MINE, "twin", 0.995, 0.25, 2.0),
        Plan("static_int8", "only", 0.5, 0.5, 1.5),
        Plan("int4_rtn", "only", 0.5, 0.1, 3.0),
    )
    store = build(tmp_path_factory.mktemp("report"), plans=plans)
    store.put(failed("glyph_clip", MINE, "broken", "crashed", HOSTILE))
    return store


@pytest.fixture(scope="module")
def found(store: Store):
    records, columns = gather([store.folder])
    return report(MINE, records, columns, frozenset(), METHODS, TARGETS)


def _entries(found):
    return {entry.row.record.cell.variant: entry for entry in found.places[0].entries}


def test_what_is_surely_worse_on_one_axis_and_better_on_none_is_dominated(found):
    for axis in ("size", "speed"):
        standing = _entries(found)["good"].standings[axis]
        assert "static_int8/only" in standing.dominates
        assert standing.dominated == ()
        assert standing.on_frontier


def test_what_cannot_be_told_apart_is_a_tie_and_what_is_better_on_one_axis_alone_a_trade(found):
    standing = _entries(found)["good"].standings["size"]
    assert standing.tie == (f"{MINE}/twin",)
    assert standing.trade == ("int4_rtn/only",)
    assert standing.compared == 4


def test_the_relation_is_the_other_way_round_from_the_other_side(store):
    records, columns = gather([store.folder])
    other = report("static_int8", records, columns, frozenset(), METHODS, TARGETS)
    assert {f"{MINE}/good", f"{MINE}/twin"} <= set(_entries(other)["only"].standings["size"].dominated)


def test_what_could_not_be_measured_says_why(found):
    broken = _entries(found)["broken"]
    assert broken.problem == f"crashed: {HOSTILE}"
    assert broken.standings == {}


def test_what_is_not_compared_is_counted_with_its_reason(found):
    reasons = found.places[0].left_out
    assert sum(reasons.values()) == 2
    assert any(reason.startswith("unsupported: the fusion component") for reason in reasons)


def test_a_target_whose_times_mean_nothing_has_no_place_by_speed(store):
    records, columns = gather([store.folder])
    silent = {name: replace(card, ranks_latency=False) for name, card in TARGETS.items()}
    place = report(MINE, records, columns, frozenset(), METHODS, silent).places[0]
    standing = {entry.row.record.cell.variant: entry for entry in place.entries}["good"].standings["speed"]
    assert standing.problem == "the times of this target are never ranked"
    assert place.charts["speed"] is None


def test_records_of_another_machine_do_not_stand_beside(store, tmp_path):
    other = Store(tmp_path)
    other.prepare()
    put(other, "glyph_clip", PLANS[4], 400, (3, 4, 12))
    (record,) = other.records()
    elsewhere = msgspec.structs.replace(record.environment, cpu="Another CPU")
    other.put(msgspec.structs.replace(record, environment=elsewhere), other.columns(record))
    found = report(MINE, *gather([store.folder, tmp_path]), frozenset(), METHODS, TARGETS)
    assert dict(found.elsewhere) == {f"of another machine, {elsewhere.host}": 1}
    assert "1 records are of another machine, Another CPU" in markdown(found)


def test_published_records_of_the_same_machine_stand_beside_and_are_counted(store, tmp_path):
    other = Store(tmp_path)
    other.prepare()
    put(other, "glyph_clip", PLANS[6], 400, (3, 4, 12))
    public = frozenset(record.name for record in other.records())
    found = report(MINE, *gather([store.folder, tmp_path]), public, METHODS, TARGETS)
    place = next(place for place in found.places if place.board.model == "glyph_clip")
    assert place.published == 1
    standing = {entry.row.record.cell.variant: entry for entry in place.entries}["good"].standings["size"]
    assert standing.compared == 5


def test_a_method_of_which_nothing_is_recorded(store):
    with pytest.raises(UnknownName, match=r"There is no measured method 'dynamic_int9'\. Did you mean 'dynamic_int8'"):
        report("dynamic_int9", *gather([store.folder]), frozenset(), METHODS, TARGETS)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_is_one_file_without_scripts_and_text_stays_text(found):
    page = html(found)
    elements = _Elements()
    elements.feed(page)
    names = {tag for tag, _ in elements.found}
    assert not names & {"script", "img", "link", "iframe", "object", "a"}
    attributes = {name for _, given in elements.found for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "href", "src")}
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count("<svg") == 4  # two pictures of each of two models
    digest = re.search(r"style-src 'sha256-([^']+)'", page)[1]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() == digest


def test_what_a_record_says_stays_text_in_markdown(found):
    text = markdown(found)
    assert "<img" not in text
    assert "https://" not in text
    assert r"\[a\](https&#58;//evil.example)\|\`b\`" in text
    assert plain("a_b _c_ *d*\n# e") == r"a_b \_c\_ \*d\* \# e"
    assert text.count("\n## ") == 2
    assert "\n\n\n\n" not in text


def test_figures_of_the_report_are_those_of_the_board(found, store):
    board = next(board for board in summarize(store.records(), store.columns) if board.model == found.places[0].board.model)
    row = next(row for row in board.rows if row.record.cell.variant == "good")
    text = markdown(found)
    assert f"{row.accuracy.value:.3f} on 400 test items" in text
    assert f"speed-up {row.speed_up.value:.2f}x" in text


def test_the_command_writes_both_pages_and_rows_for_scripts(store, squeezemark, tmp_path):
    options = ("--results", store.folder, "--no-published")
    done = squeezemark("report", MINE, *options, "--out", tmp_path / "r.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    rows = json.loads(squeezemark("report", MINE, *options, "--json").stdout)
    assert rows == json.loads(json.dumps(as_rows(report(MINE, *gather([store.folder]), frozenset(), {}, {}))))
    wrong = squeezemark("report", MINE, *options, "--out", tmp_path / "r.pdf")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "r.pdf is neither; name it report.html or report.md" in wrong.stderr


def test_a_published_method_has_a_report(tmp_path):
    folder = ROOT / "site" / "results"
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in folder.glob("audio_visual_digits--*--x86_cpu_ort--*"):
        if any(f"--{name}--" in path.name for name in ("baseline_fp32", "fp16", "int4_rtn")) and "only-" not in path.name:
            (kept / path.name).symlink_to(path)
    found = report("int4_rtn", *gather([Path(kept)]), frozenset(), METHODS, TARGETS)
    assert {entry.row.record.cell.variant for entry in found.places[0].entries} == {"block_32", "block_128"}
    assert "fp16/fp16" in _entries(found)["block_32"].standings["size"].dominated
