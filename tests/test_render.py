"""Rendering as a whole: what it reports, refuses, replaces and leaves alone."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from site_pages import Page, publish, row_text
from site_store import PLANS, SHAPE, build, put

from suite.errors import UsageError
from suite.publishing import shelves
from suite.publishing.place import MARKER
from suite.record import Estimate
from suite.render import Rendered
from suite.store import COLUMNS, Store


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build(tmp_path_factory.mktemp("few"), shape=SHAPE, plans=PLANS[:2])


def test_counts_what_it_made(site_records: Store, tmp_path: Path) -> None:
    done = publish(site_records, tmp_path / "site")
    assert done == Rendered(pages=len(list((tmp_path / "site").rglob("*.html"))), records=2 * len(PLANS) + 4, broken=())


def test_same_records_give_the_same_bytes(site_records: Store, leaderboard: Path, tmp_path: Path) -> None:
    publish(site_records, tmp_path / "again")
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (leaderboard, tmp_path / "again")
    )
    assert first == second


def test_a_record_cut_in_half_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    victim = sorted(store.folder.glob("*dynamic_int8*.json"))[0]
    victim.write_bytes(victim.read_bytes()[:400])
    done = publish(store, tmp_path / "site")
    assert [error.path for error in done.broken] == [victim]
    assert done.records == 2 * 3 + 4 - 1
    assert not (tmp_path / "site/record" / victim.with_suffix(".html").name).exists()


@pytest.mark.parametrize("damage", ["cut", "gone", "other items", "other metric", "no columns"])
def test_a_record_that_its_columns_do_not_bear_out_is_named(tmp_path: Path, damage: str) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    record = next(record for record in store.records() if record.cell.method == "dynamic_int8" and record.cell.model == "glyph_clip")
    path = store.folder / (record.name + COLUMNS)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "gone":
        path.unlink()
    elif damage == "other items":
        store.put(record, {**store.columns(record), "recall_at_1": np.ones(7, bool)})
    elif damage == "other metric":
        accuracy = msgspec.structs.replace(record.accuracy, metric="answer_accuracy", metrics={"answer_accuracy": Estimate(0.5, 0.4, 0.6)})
        store.put(msgspec.structs.replace(record, accuracy=accuracy), store.columns(record))
    else:
        store.put(msgspec.structs.replace(record, columns_sha256=None))
    done = publish(store, tmp_path / "site")
    assert [error.path.name.removesuffix(COLUMNS).removesuffix(".json") for error in done.broken] == [record.name]
    assert done.records == 2 * 2 + 4 - 1


def test_records_outlive_their_cards(site_records: Store, tmp_path: Path) -> None:
    done = publish(site_records, tmp_path / "site", models={}, methods={}, targets={})
    assert done.records == 2 * len(PLANS) + 4
    assert "no card" in row_text(Page(tmp_path / "site/index.html"), "dynamic_int8 · per_channel")
    assert "not part of the suite any more" in Page(tmp_path / "site/method/dynamic_int8.html").words


def test_plug_ins_without_records_have_pages(tmp_path: Path) -> None:
    done = publish(Store(tmp_path / "none"), tmp_path / "site")
    assert done.records == 0
    assert "There are no records yet" in Page(tmp_path / "site/index.html").words
    assert "Nothing has been measured yet" in Page(tmp_path / "site/method/int4_rtn.html").words


def test_a_lone_record_is_shown_without_charts(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    put(store, "glyph_clip", PLANS[1], 400, SHAPE)
    publish(store, tmp_path / "site")
    page = Page(tmp_path / "site/index.html")
    assert "No baseline was measured here" in page.words
    assert "no baseline was measured" in row_text(page, "dynamic_int8 · per_tensor")
    assert '<svg class="plot' not in page.source


def test_a_folder_of_something_else_is_not_replaced(few: Store, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="something other than a rendered site"):
        publish(few, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(UsageError, match="something other"):
        publish(few, tmp_path / "thesis.txt")


def test_the_results_are_not_replaced_by_the_site(tmp_path: Path) -> None:
    store = build(tmp_path / "all/results", shape=SHAPE, plans=PLANS[:1])
    (tmp_path / "all" / MARKER).touch()
    with pytest.raises(UsageError, match="results folder"):
        publish(store, tmp_path / "all")
    assert store.keys()


def test_a_site_is_replaced_as_a_whole(few: Store, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    publish(few, tmp_path / "site")
    (tmp_path / "site/record/stale.html").touch()
    publish(few, tmp_path / "site")
    assert not (tmp_path / "site/record/stale.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert (tmp_path / "site").stat().st_mode & 0o777 == 0o755


def test_a_rendering_that_fails_leaves_the_old_site(few: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(few, tmp_path / "site")
    before = (tmp_path / "site/index.html").read_bytes()
    monkeypatch.setattr(shelves, "flat", lambda *row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish(few, tmp_path / "site")
    assert (tmp_path / "site/index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_nothing_heavy_is_imported(few: Store, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from suite.render import render; from suite.store import Store\n"
        f"render(Store(Path({str(few.folder)!r})), {{}}, {{}}, {{}}, Path({str(tmp_path / 'site')!r}))\n"
        "found = [name for name in ('torch', 'onnx', 'onnxruntime', 'suite.execute', 'matplotlib') if name in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
