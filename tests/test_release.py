"""Releases: frozen, held against what lies there, shown for ever, and what moved between them."""

import json
import re
import shlex
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import ROOT, Squeezemark
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page
from site_store import PLANS, SHAPE, build, put

from suite.errors import BrokenRecord, BrokenRelease, UsageError
from suite.publishing.chronicle import Chronicle
from suite.publishing.history import moves, ratio, same_question, square_and_add
from suite.publishing.release import change, freeze, hold, releases
from suite.record import Estimate, Record
from suite.render import Show, render
from suite.store import COLUMNS, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])


def renewed(store: Store, record: Record, digits: str, flip: float) -> Record:
    """The same cell measured anew, a day later, with a share of its right answers turned wrong."""
    columns, rng = store.columns(record), np.random.default_rng(3)
    hits = columns[record.accuracy.metric] & (rng.random(record.accuracy.items) >= flip)
    share = float(hits.mean())
    metrics = {record.accuracy.metric: Estimate(share, max(0.0, share - 0.03), min(1.0, share + 0.03))}
    accuracy = msgspec.structs.replace(record.accuracy, metrics=metrics)
    changed = msgspec.structs.replace(record, key=digits + record.key[len(digits) :], created="2026-11-23T10:00:00Z", accuracy=accuracy)
    return store.put(changed, {**columns, record.accuracy.metric: hits})


def int8(store: Store) -> Record:
    return next(record for record in store.records() if record.cell.method == "dynamic_int8" and record.cell.model == "glyph_clip")


def test_a_release_names_every_record_by_its_bytes(store: Store, tmp_path: Path) -> None:
    release = freeze("2026-11-24", "The first.", store, tmp_path / "releases")
    assert [one.record for one in release.records] == list(store.stems())
    assert releases(tmp_path / "releases") == (release,)
    assert len(hold(release, tmp_path / "releases", store)) == len(store.stems())
    text = (tmp_path / "releases/2026-11-24.json").read_text()
    assert json.loads(text)["why"] == "The first."
    assert "created" not in text, "its name is its date"


@pytest.mark.parametrize("name", ["2026-13-01", "2026-11-32", "latest", "2026-11-24/..", "../2026-11-24", "2026-11-24.123"])
def test_a_release_is_named_by_a_date(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="named by its date"):
        freeze(name, "", store, tmp_path / "releases")
    assert not (tmp_path / "releases").exists()


def test_a_release_never_changes_and_none_is_put_before_it(store: Store, tmp_path: Path) -> None:
    freeze("2026-11-24", "", store, tmp_path / "releases")
    with pytest.raises(UsageError, match=r"such as 2026-11-24\.2"):
        freeze("2026-11-24", "", store, tmp_path / "releases")
    with pytest.raises(UsageError, match="is newer than 2026-11-23"):
        freeze("2026-11-23", "", store, tmp_path / "releases")
    freeze("2026-11-24.2", "", store, tmp_path / "releases")
    freeze("2026-11-24.10", "", store, tmp_path / "releases")
    assert [release.name for release in releases(tmp_path / "releases")] == ["2026-11-24", "2026-11-24.2", "2026-11-24.10"]


@pytest.mark.parametrize("damage", ["changed", "missing", "columns changed", "columns missing", "another key"])
def test_a_record_that_was_touched_is_refused(store: Store, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "releases"
    release = freeze("2026-11-24", "", store, folder)
    record = int8(store)
    if damage == "changed":
        store.path(record.name).write_bytes(store.path(record.name).read_bytes() + b" ")
    elif damage == "missing":
        store.path(record.name).unlink()
    elif damage == "columns changed":
        (store.folder / (record.name + COLUMNS)).write_bytes(b"other")
    elif damage == "columns missing":
        (store.folder / (record.name + COLUMNS)).unlink()
    else:
        text = (folder / "2026-11-24.json").read_text()
        (folder / "2026-11-24.json").write_text(text.replace(record.key, "f" * 64))
        (release,) = releases(folder)
    with pytest.raises(BrokenRelease, match=record.name):
        hold(release, folder, store)
    with pytest.raises(BrokenRelease):
        Chronicle.read(folder, store, unreleased=False)
    assert Chronicle.read(folder, store, unreleased=True).shown is None
    with pytest.raises((BrokenRelease, BrokenRecord)):
        freeze("2026-11-25", "", store, folder)
    assert not (folder / "2026-11-25.json").exists()


@pytest.mark.parametrize("text", ["{", '{"name": "2026-11-24"}', '{"name":"../x","squeezemark":"0","why":"","records":[]}'])
def test_a_release_that_cannot_be_read_is_named(store: Store, tmp_path: Path, text: str) -> None:
    (tmp_path / "2026-11-24.json").write_text(text)
    with pytest.raises(BrokenRelease, match=r"2026-11-24\.json"):
        releases(tmp_path)


def test_a_newer_release_leaves_nothing_out(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "releases"
    freeze("2026-11-24", "", store, folder)
    second = msgspec.json.decode((folder / "2026-11-24.json").read_bytes())
    second |= {"name": "2026-11-25", "records": second["records"][1:]}
    (folder / "2026-11-25.json").write_bytes(msgspec.json.encode(second))
    with pytest.raises(UsageError, match="leaves out"):
        Chronicle.read(folder, store, unreleased=False)


def test_the_site_shows_the_newest_release_and_the_pages_of_old_ones_stay(store: Store, tmp_path: Path) -> None:
    folder, site = tmp_path / "releases", tmp_path / "site"

    def publish(**also: bool) -> None:
        render(store, model_cards(), method_cards(), target_cards(), site, tmp_path / "work", Show(releases=folder, **also))

    freeze("2026-11-24", "The <first>.", store, folder)
    old = int8(store)
    publish()
    first = {path.name: path.read_bytes() for path in (site / "r/2026-11-24").iterdir()}
    new = renewed(store, old, "0000", 0.5)
    added = put(store, "glyph_clip", PLANS[2], 400, SHAPE)
    publish()
    assert not (site / f"record/{new.name}.html").exists(), "not released yet"
    freeze("2026-11-25", "More.", store, folder)
    publish()
    assert {path.name: path.read_bytes() for path in (site / "r/2026-11-24").iterdir()} == first
    assert (site / f"record/{new.name}.html").exists()
    page = Page(site / "releases.html")
    assert "1 added, 1 measured anew, 1 regression." in page.words
    assert "▼ regression" in page.words
    assert "&lt;first&gt;" in page.source
    boards = [Page(path) for path in sorted((site / "r/2026-11-25").glob("glyph*.html"))]
    assert [f"record/{name}.html" in boards[0].source for name in (old.name, new.name, added.name)] == [False, True, True]
    boards = [Page(path) for path in sorted((site / "r/2026-11-24").glob("glyph*.html"))]
    assert [f"record/{name}.html" in boards[0].source for name in (old.name, new.name, added.name)] == [True, False, False]
    for path in (site / "r").rglob("*.html"):
        for link in Page(path).links:
            target = (path.parent / link.partition("#")[0]).resolve() if not link.startswith("#") else path
            assert target.is_file(), f"{link} on {path}"
    assert "Release 2026-11-25" in (site / "feed.xml").read_text()
    publish(unreleased=True)
    assert not (site / "r").exists()


def test_what_changed_is_told_by_what_records_are_of(store: Store) -> None:
    old = list(store.records())
    new = renewed(store, int8(store), "0000", 0.0)
    done = change(old, store.records())
    assert [(a.name, b.name) for a, b in done.changed] == [(int8_of(old).name, new.name)]
    assert done.added == ()
    assert [record.name for record in change(old[1:], old).added] == [old[0].name]


def int8_of(records: list[Record]) -> Record:
    return next(record for record in records if record.cell.method == "dynamic_int8" and record.cell.model == "glyph_clip")


@pytest.mark.parametrize(("flip", "verdict"), [(0.5, "regression"), (0.01, "no measurable change")])
def test_a_regression_is_told_by_its_interval(store: Store, flip: float, verdict: str) -> None:
    old = int8(store)
    found = {move.metric: move for move in moves([(old, renewed(store, old, "0000", flip))])}
    assert found["recall_at_1"].verdict == verdict
    assert found["recall_at_1"].after < found["recall_at_1"].before, "a bare difference is none"
    assert found["speed_up"].verdict == found["bytes"].verdict == "no measurable change"


def test_another_test_set_is_not_compared(store: Store) -> None:
    old = int8(store)
    other = msgspec.structs.replace(old, provenance=msgspec.structs.replace(old.provenance, test_sha256="0" * 64))
    assert not same_question(old, other)
    assert moves([(old, other)]) == ()


def test_the_commands_of_the_page_on_publishing_do_what_it_says(squeezemark: Squeezemark, tmp_path: Path) -> None:
    commands = re.findall(r"^    squeezemark (.*)$", (ROOT / "docs/publishing.md").read_text(), re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["release", "render"]
    for folder in ("site/results", "results"):
        shutil.copytree(ROOT / "tests/golden", tmp_path / folder)
    for command in commands:
        done = squeezemark(*shlex.split(command), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    release = json.loads((tmp_path / "site/releases/2026-11-27.json").read_text())
    assert len(release["records"]) == len(list((ROOT / "tests/golden").glob("*.json")))
    assert (tmp_path / "build/site/r/2026-11-27/index.html").is_file()
    assert "A local result." in Page(next((tmp_path / "build/site/record").glob("*--local-*.html"))).words
    next((tmp_path / "site/results").glob("*.json")).write_text("{}")
    broken = squeezemark(*shlex.split(commands[1]), cwd=tmp_path)
    assert broken.returncode == 1
    assert "does not hold any more" in broken.stderr
    assert (tmp_path / "build/site/r/2026-11-27/index.html").is_file(), "the site that was there stays"


def test_square_and_add_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(5), 0
    for _ in range(2000):
        sides = []
        for truth, spread in ((0.7, 0.02), (0.75, 0.01)):
            value = rng.normal(truth, spread)
            sides.append(Estimate(value, value - 1.96 * spread, value + 1.96 * spread))
        found = square_and_add(*sides)
        held += found.low <= 0.05 <= found.high
    assert 0.935 <= held / 2000 <= 0.965


def test_ratios_are_compared_as_ratios() -> None:
    found = ratio(Estimate(2.0, 1.9, 2.1), Estimate(4.0, 3.8, 4.2))
    assert found.value == pytest.approx(2.0)
    assert found.low < 1.95 < 2.05 < found.high
