"""One's own results laid over the published ones: marked everywhere, and never taken for published."""

from pathlib import Path

import msgspec
import pytest
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page, assert_inert, pages
from site_store import PLANS, SHAPE, build

from suite.comparable import LOCAL_HOST, board_key, is_local
from suite.publishing.overlay import notes
from suite.render import Show, render
from suite.store import LOCAL, Store
from suite.summarize import Board, summarize


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    """Published, and the same cells of one model measured on a machine of one's own: with the same keys."""
    room = tmp_path_factory.mktemp("overlay")
    published, mine = build(room / "published", shape=SHAPE, plans=PLANS[:2]), Store(room / "mine")
    mine.prepare()
    for record in published.records():
        if record.cell.model == "glyph_clip":
            machine = msgspec.structs.replace(record.environment, cpu="My own CPU")
            mine.put(msgspec.structs.replace(record, environment=machine), published.columns(record) if record.columns_sha256 else None)
    return published, mine


@pytest.fixture(scope="module")
def site(stores: tuple[Store, Store], tmp_path_factory: pytest.TempPathFactory) -> Path:
    published, mine = stores
    out = tmp_path_factory.mktemp("site") / "site"
    done = render(published, model_cards(), method_cards(), target_cards(), out, None, Show(overlay=mine))
    assert not done.broken
    assert done.records == len(published.stems()) + len(mine.stems())
    return out


def boards_of(published: Store, mine: Store) -> tuple[Board, ...]:
    local = Store(mine.folder, local=True)
    kept = {record.name: store for store in (published, local) for record in store.records()}
    return summarize([*published.records(), *local.records()], lambda record: kept[record.name].columns(record))


def test_a_local_record_has_a_name_of_its_own_and_its_own_columns(stores: tuple[Store, Store]) -> None:
    local = Store(stores[1].folder, local=True)
    for record in local.records():
        assert is_local(record)
        assert record.key.startswith(LOCAL)
        assert local.path(local.stem(record)).is_file()
        if record.columns_sha256:
            assert record.accuracy.metric in local.columns(record)
        assert board_key(record)[4] == f"{LOCAL_HOST}{record.environment.host}"
    assert not any(is_local(record) for record in stores[0].records())


def test_each_row_and_page_of_a_local_result_is_marked(site: Path, stores: tuple[Store, Store]) -> None:
    model = Page(site / "model/glyph_clip.html")
    rows = [row for row in model.source.split("<tr data-family")[1:] if "local</strong>" in row.partition("</tr>")[0]]
    assert len(rows) == len(stores[1].stems())
    assert all("local-" in row.partition("</tr>")[0] for row in rows)
    marked = {page.path.name for page in pages(site) if page.path.parent.name == "record" and "A local result." in page.words}
    assert marked == {f"{record.name}.html" for record in Store(stores[1].folder, local=True).records()}
    for page in pages(site):
        assert_inert(page)


def test_the_published_records_are_shown_as_without_an_overlay(site: Path, stores: tuple[Store, Store], tmp_path: Path) -> None:
    render(stores[0], model_cards(), method_cards(), target_cards(), tmp_path / "site", None)
    for record in stores[0].records():
        name = f"record/{record.name}.html"
        assert (site / name).read_bytes() == (tmp_path / "site" / name).read_bytes()


def test_another_machine_is_said_to_be_another(stores: tuple[Store, Store]) -> None:
    (note,) = notes(boards_of(*stores)).values()
    assert "Accuracy, size and ratios may be compared" in note
    assert "times may not" in note


def test_what_cannot_be_compared_is_said_with_what_differs(stores: tuple[Store, Store], tmp_path: Path) -> None:
    published, mine = stores[0], Store(tmp_path)
    for record in published.records():
        origin = msgspec.structs.replace(record.provenance, test_sha256="0" * 64)
        mine.put(msgspec.structs.replace(record, provenance=origin), published.columns(record) if record.columns_sha256 else None)
    found = notes(boards_of(published, mine))
    assert len(found) == 2
    assert all("cannot be compared with the published ones: test set differs" in note for note in found.values())


def test_the_same_machine_may_be_compared_and_nothing_published_cannot(stores: tuple[Store, Store]) -> None:
    published, mine = stores
    (note, _) = notes(boards_of(published, published)).values()
    assert "They may be compared" in note
    (alone,) = notes(boards_of(Store(published.folder / "none"), mine)).values()
    assert "Nothing is published" in alone
