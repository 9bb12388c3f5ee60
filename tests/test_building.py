"""A build: the same bytes from the same records, what is used again, and an old site that stays whole whatever happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from msgspec.structs import replace
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page, pages, publish
from site_store import ENVIRONMENT, PLANS, SHAPE, build, elsewhere, put

from suite import render as rendering
from suite.comparable import board_key
from suite.errors import SiteError
from suite.pages import Cards
from suite.publishing import crew, place, shelves
from suite.publishing.survey import survey
from suite.render import Rendered, Show, render
from suite.store import COLUMNS, Store


def content(site: Path) -> dict[Path, bytes]:
    """Every file, by its path."""
    return {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def times(site: Path) -> dict[str, int]:
    """When each record's page was written."""
    return {path.name: path.stat().st_mtime_ns for path in (site / "record").iterdir()}


def again(store: Store, out: Path, work: Path | None, show: Show | None = None) -> Rendered:
    """Renders with the test's cards, and a working folder."""
    return render(store, model_cards(), method_cards(), target_cards(), out, work, show or Show())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build(tmp_path_factory.mktemp("few"), shape=SHAPE, plans=PLANS[:2])


@pytest.fixture(scope="module")
def built(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A site and its working folder; not to be changed."""
    room = tmp_path_factory.mktemp("built")
    again(store, room / "site", room / "work")
    return room / "site", room / "work"


def test_neither_hash_seed_nor_clock_nor_order_of_files_is_seen(store: Store, built: tuple[Path, Path], tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for path in sorted(store.folder.iterdir(), reverse=True):
        (results / path.name).write_bytes(path.read_bytes())
    code = (
        f"import sys, time; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "time.time = lambda: 4e9\n"
        "from pathlib import Path; from site_pages import publish; from suite.store import Store\n"
        f"publish(Store(Path({str(results)!r})), Path({str(tmp_path / 'site')!r}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Etc/GMT-14"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)
    assert content(tmp_path / "site") == content(built[0])


def test_several_processes_give_the_same_bytes(
    store: Store, built: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "hands", lambda records: 2)
    again(store, tmp_path / "site", None)
    assert content(tmp_path / "site") == content(built[0])


def test_a_picture_that_another_process_wrote_first_keeps_its_time(tmp_path: Path) -> None:
    """Boards know a file by its time: one that is written again would have another board made anew at the next build."""
    place = tmp_path / "one.png"
    shelves._write_once(place, b"the same")
    os.utime(place, (1, 1))
    shelves._write_once(place, b"the same")
    assert place.stat().st_mtime == 1
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


def test_what_has_not_changed_keeps_its_bytes_and_its_time(store: Store, built: tuple[Path, Path], tmp_path: Path) -> None:
    results = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    first = again(results, tmp_path / "site", tmp_path / "work")
    assert first.reused == 0
    before = times(tmp_path / "site")
    added = put(results, "scene_vqa", PLANS[2], 400, SHAPE)
    second = again(results, tmp_path / "site", tmp_path / "work")
    after = times(tmp_path / "site")
    languages = 1 + len(list((tmp_path / "site").glob("*/record")))
    assert second.reused == languages * len([name for name in before if name.startswith("glyph_clip")]) > languages > 1
    assert {name for name in after if before.get(name) != after[name]} == {name for name in after if name.startswith("scene_vqa")}
    again(results, tmp_path / "cold", None)
    assert content(tmp_path / "site") == content(tmp_path / "cold"), "what is used again is what would have been made"
    for path in results.folder.glob(f"{added.name}*"):
        path.unlink()
    again(results, tmp_path / "site", tmp_path / "work")
    assert content(tmp_path / "site") == content(built[0]), "what was taken away is gone"


def test_a_page_that_somebody_changed_is_made_again(store: Store, built: tuple[Path, Path], tmp_path: Path) -> None:
    again(store, tmp_path / "site", tmp_path / "work")
    victim = next((tmp_path / "site/zh/record").iterdir())
    victim.write_text("nothing of the kind")
    done = again(store, tmp_path / "site", tmp_path / "work")
    assert 0 < done.reused < len(list((tmp_path / "site").rglob("record/*.html")))
    assert content(tmp_path / "site") == content(built[0])


def test_what_is_kept_may_be_deleted_or_broken(store: Store, built: tuple[Path, Path], tmp_path: Path) -> None:
    again(store, tmp_path / "site", tmp_path / "work")
    kept = sorted((tmp_path / "work" / place.SHELF).rglob("*.json"))
    kept[0].write_text("{")
    kept[1].unlink()
    again(store, tmp_path / "site", tmp_path / "work")
    assert content(tmp_path / "site") == content(built[0])


def test_of_many_records_the_largest_boards_are_whole_and_the_others_have_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    count = len(results.stems())
    elsewhere(results, 1)
    put(results, "glyph_clip", PLANS[2], 400, SHAPE)
    monkeypatch.setattr(rendering, "WHOLE", count)
    done = again(results, tmp_path / "site", None)
    assert done.records == 2 * count + 1
    model = Page(tmp_path / "site/model/glyph_clip.html")
    assert "1 more, of other machines, tiers or test sets, have pages of their own" in model.words
    (link,) = [link for link in model.links if "board/" in link]
    board = Page(tmp_path / "site/model" / link)
    assert "Machine 1" in board.words
    assert ENVIRONMENT.host in model.words
    other = next(page for page in pages(tmp_path / "site") if page.path.parent.name == "record" and "Machine 1, 2 cores" in page.words)
    assert other.source
    assert (tmp_path / "site/data/results.csv").read_text().count("\n") == done.records + 1


def test_a_survey_tells_what_belongs_together(store: Store) -> None:
    seen = survey([store], {})
    assert [group.place[0] for group in seen.groups] == ["glyph_clip", "scene_vqa"]
    assert seen.files == len(store.stems())
    assert seen.metrics == {"glyph_clip": "recall_at_1", "scene_vqa": "answer_accuracy"}
    assert {"dynamic_int8", "width_pruning"} <= seen.names["method"]
    stem = next(stem for stem in store.stems() if stem.startswith("scene"))
    assert survey([store], {}, shown=frozenset({stem})).files == 1


def test_a_survey_and_a_summary_agree_on_what_makes_a_board(tmp_path: Path) -> None:
    """Also of an emulated processor, whose host is none of the machines; and of what was timed, whatever it says of an emulator."""
    results = build(tmp_path, shape=SHAPE, plans=PLANS[:1])
    for number, record in enumerate(list(results.records())):
        there = replace(record.environment, cpu=f"Machine {number}", libraries={"x86-emulated qemu": "7.2.22"})
        columns = results.columns(record) if record.columns_sha256 else None
        results.put(replace(record, key=f"{number:064x}", environment=there), columns)
        results.put(replace(record, key=f"{number + 1:08x}{0:056x}", environment=there, latency=None), columns)
    assert {group.place for group in survey([results], {}).groups} == {board_key(record) for record in results.records()}
    hosts = {group.place[-1] for group in survey([results], {}).groups}
    assert {"QEMU"} < hosts
    assert any(host.startswith("Machine") for host in hosts)


def test_a_group_has_another_digest_for_another_byte(tmp_path: Path) -> None:
    results = build(tmp_path, shape=SHAPE, plans=PLANS[:1])
    first = {group.digest for group in survey([results], {}).groups}
    columns = next(tmp_path.glob(f"*{COLUMNS}"))
    columns.write_bytes(columns.read_bytes() + b"\0")
    assert len(first & {group.digest for group in survey([results], {}).groups}) == 1


@pytest.mark.parametrize("swaps", [True, False])
def test_a_site_is_replaced_in_one_step_where_that_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool) -> None:
    if not swaps:
        monkeypatch.setattr(place, "_exchanged", lambda one, other: False)
    for number in (1, 2):
        with place.Replacement(tmp_path / "site", [], None) as folder:
            (folder.fresh / "page.html").write_text(str(number))
            folder.done(set())
    assert (tmp_path / "site/page.html").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_full_disk_leaves_the_old_site(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, tmp_path / "site")
    before = content(tmp_path / "site")

    def full(path: Path, *given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shelves.Workbench, "_put", full)
    with pytest.raises(SiteError, match=r"No space left on device.*as it was"):
        publish(store, tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of processes there")
def test_a_page_that_does_not_fit_is_an_error_and_no_shorter_page(tmp_path: Path) -> None:
    """A system that has room for a part writes that part, and says how much: whoever does not look has a page that ends in the middle."""
    import resource

    bench: Any = SimpleNamespace(out=tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            shelves.Workbench._put(bench, "page.html", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_build_that_is_stopped_leaves_the_old_site(store: Store, tmp_path: Path, sent: signal.Signals) -> None:
    publish(store, tmp_path / "site")
    before = content(tmp_path / "site")
    code = (
        f"import signal, sys, time; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path; import suite.render as r; from suite.leaves import Leaves; from site_pages import publish\n"
        "from suite.store import Store\n"
        "r.hands = lambda records: 2\n"
        "page = Leaves.page\n"
        "def slow(self, record):\n    print('page', flush=True); time.sleep(0.2); return page(self, record)\n"
        "Leaves.page = slow\n"
        f"publish(Store(Path({str(store.folder)!r})), Path({str(tmp_path / 'site')!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(sent)
        process.stdout.read()
        assert process.wait(60) != 0
    assert content(tmp_path / "site") == before
    publish(store, tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"], "what the killed one left is removed by the next"


def test_what_was_killed_between_two_renames_is_put_back(tmp_path: Path) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    old = tmp_path / f".site-{gone}-abc/old"
    old.mkdir(parents=True)
    (old / place.MARKER).touch()
    (old / "page.html").write_text("kept")
    with pytest.raises(ZeroDivisionError), place.Replacement(tmp_path / "site", [], None):
        raise ZeroDivisionError
    assert (tmp_path / "site/page.html").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_card_that_says_something_else_is_another_stamp() -> None:
    cards = [Cards(model_cards(), method_cards(), targets) for targets in (target_cards(), target_cards(), {})]
    stamps = [rendering._stamp(each) for each in cards]
    assert stamps[0] == stamps[1] != stamps[2]


def _die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_helper_is_an_error_in_one_sentence() -> None:
    with pytest.raises(SiteError, match="was killed"), crew.crew(2) as mapped:
        list(mapped(_die, [1]))


def test_helpers_leave_with_whoever_started_them() -> None:
    code = (
        "import os, time\nfrom suite.publishing.crew import crew\n"
        "def say(number):\n    os.write(1, b'%d\\n' % os.getpid()); time.sleep(60)\n"
        "with crew(2) as mapped:\n    list(mapped(say, [1, 2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    helpers = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    for _ in range(100):
        if not any(Path(f"/proc/{helper}/stat").exists() and " Z " not in Path(f"/proc/{helper}/stat").read_text() for helper in helpers):
            break
        time.sleep(0.1)
    else:
        pytest.fail("they are still there")
    process.stdout.close()
