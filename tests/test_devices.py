"""Runtimes side by side on one device, and the same files on other kernels: what is paired with what, and what the page says."""

import csv
from dataclasses import replace as changed
from statistics import NormalDist

import numpy as np
import pytest
from boards import Results, right
from browsing import BROWSER, served, visit
from msgspec.structs import replace
from site_cards import model_cards, target_cards
from site_pages import Page, publish
from site_store import PLANS, TARGET, Plan, build, cell, key, put

from suite.devices import LOSS, device_boards, kernels
from suite.figures import BesideReference, Health, InstructionCounts
from suite.latency import summarize as latency_of
from suite.pages import BoardView, Cards
from suite.record import Estimate
from suite.statistics import difference
from suite.summarize import summarize

OTHER, SLOW = "x86_cpu_other", "x86_old"
HOME = next(iter(target_cards().values()))
CARDS = Cards(
    model_cards(),
    {},
    {
        TARGET: HOME,
        OTHER: changed(HOME, name=OTHER, title="The other runtime", reference=TARGET),
        SLOW: changed(HOME, name=SLOW, title="An older processor", ranks_latency=False),
    },
)


def on(results, target, method, hits, speed=None, artifact=None):
    """A record of a target: timed beside the reference target with this speed-up."""
    record = results.add(method, hits, speed=(1.0, 1.0, 1.0))
    beside = BesideReference(TARGET, Estimate(*speed), Estimate(2.0, 1.9, 2.1)) if speed and target != TARGET else None
    latency = replace(record.latency, reference=beside)
    if target == TARGET and speed:
        latency = replace(latency, speed_up=Estimate(*speed))
    provenance = replace(record.provenance, artifact_sha256=artifact or key(method))
    results.records[-1] = replace(
        record, cell=replace(record.cell, target=target), latency=None if target == SLOW else latency, provenance=provenance
    )
    return results.records[-1]


def views(results):
    return [BoardView(board, CARDS) for board in summarize(results.records, results.columns)]


@pytest.fixture
def world():
    """The reference target with an uncompressed model and int8, and another runtime with the same two."""
    results = Results()
    on(results, TARGET, "baseline_fp32", right(320), (1.0, 1.0, 1.0))
    on(results, TARGET, "dynamic_int8", right(318), (2.0, 1.9, 2.1))
    on(results, TARGET, "layer_drop", right(200), (4.0, 3.9, 4.1))
    on(results, OTHER, "baseline_fp32", right(320), (1.2, 1.1, 1.3))
    on(results, OTHER, "dynamic_int8", right(321), (3.0, 2.9, 3.1))
    return results


def test_runtimes_share_a_board_the_fastest_first(world):
    (board,) = device_boards(views(world), CARDS, world.columns)
    order = [(entry.row.record.cell.target, entry.row.record.cell.method, entry.speed_up.value) for entry in board.entries]
    assert order == [
        (TARGET, "layer_drop", 4.0), (OTHER, "dynamic_int8", 3.0), (TARGET, "dynamic_int8", 2.0), (OTHER, "baseline_fp32", 1.2),
        (TARGET, "baseline_fp32", 1.0),
    ]  # fmt: skip
    assert board.targets == (TARGET, OTHER)
    entry = board.entries[1]
    assert entry.difference.value == pytest.approx(1 / 400), "against the uncompressed model on the reference target"
    assert (entry.speed_verdict, entry.accuracy_verdict) == ("better", "tie")


def test_on_the_reference_target_a_speed_must_differ_from_the_control(world):
    on(world, TARGET, "static_int8", right(318), (1.03, 1.02, 1.04))
    (board,) = device_boards(views(world), CARDS, world.columns)
    before = {entry.row.record.cell.method: entry.speed_verdict for entry in board.entries if entry.view is board.reference}
    world.records[0] = replace(world.records[0], latency=replace(world.records[0].latency, speed_up=Estimate(1.025, 1.02, 1.03)))
    (board,) = device_boards(views(world), CARDS, world.columns)
    after = {entry.row.record.cell.method: entry.speed_verdict for entry in board.entries if entry.view is board.reference}
    assert (before["static_int8"], after["static_int8"]) == ("better", "tie")


def test_the_answer_is_the_fastest_that_keeps_its_accuracy_and_what_ties_with_it(world):
    (board,) = device_boards(views(world), CARDS, world.columns)
    assert all(entry.difference.low >= -LOSS for entry in board.near)
    assert [entry.row.record.cell.method for entry in board.near] == ["dynamic_int8"]
    on(world, OTHER, "static_int8", right(320), (2.95, 2.85, 3.05))
    (board,) = device_boards(views(world), CARDS, world.columns)
    assert [entry.row.record.cell.method for entry in board.near] == ["dynamic_int8", "static_int8"]


def test_of_each_target_the_uncompressed_model_and_its_best_stand_open(world):
    on(world, OTHER, "static_int8", right(320), (2.5, 2.4, 2.6))
    on(world, TARGET, "static_int8", right(320), (1.5, 1.4, 1.6))
    (board,) = device_boards(views(world), CARDS, world.columns)
    first = [(entry.row.record.cell.target, entry.row.record.cell.method) for entry in board.first]
    assert first == [(OTHER, "dynamic_int8"), (TARGET, "static_int8"), (OTHER, "baseline_fp32"), (TARGET, "baseline_fp32")]
    fastest = next(record for record in world.records if record.cell.target == OTHER and record.cell.method == "dynamic_int8")
    world.records[world.records.index(fastest)] = replace(fastest, latency=replace(fastest.latency, health=Health("E", (), {}, ())))
    (board,) = device_boards(views(world), CARDS, world.columns)
    assert (OTHER, "static_int8") in [(entry.row.record.cell.target, entry.row.record.cell.method) for entry in board.first]
    assert len(board.first) == 4


def test_one_target_alone_is_no_board_and_neither_is_one_without_a_reference(world):
    alone = Results()
    on(alone, TARGET, "baseline_fp32", right(320), (1.0, 1.0, 1.0))
    assert device_boards(views(alone), CARDS, alone.columns) == ()
    others = [view for view in views(world) if view.board.target == OTHER]
    assert device_boards(others, CARDS, world.columns) == ()


def test_what_was_timed_beside_nothing_or_is_of_another_model_is_left_out(world):
    on(world, OTHER, "gptq", right(320))
    record = on(world, OTHER, "int4_rtn", right(320), (2.5, 2.4, 2.6))
    world.records[-1] = replace(record, provenance=replace(record.provenance, model_sha256="f" * 64))
    (board,) = device_boards(views(world), CARDS, world.columns)
    assert {entry.row.record.cell.method for entry in board.entries} == {"baseline_fp32", "dynamic_int8", "layer_drop"}


def test_the_same_files_on_other_kernels_are_paired_item_by_item():
    results = Results()
    on(results, TARGET, "baseline_fp32", right(320))
    on(results, TARGET, "static_int8", right(318), artifact="a" * 64)
    on(results, TARGET, "dynamic_int8", right(316), artifact="b" * 64)
    on(results, SLOW, "baseline_fp32", right(320)[:300])
    on(results, SLOW, "static_int8", right(100)[:300], artifact="a" * 64)
    on(results, SLOW, "dynamic_int8", right(316)[:300], artifact="c" * 64)
    (found,) = kernels(views(results), CARDS, results.columns)
    assert [(shift.row.record.cell.method, shift.items) for shift in found.shifts] == [("static_int8", 300), ("baseline_fp32", 300)]
    worst = found.shifts[0]
    assert worst.agreement == pytest.approx(100 / 300)
    assert worst.difference.value == pytest.approx(-200 / 300)
    assert worst.difference == difference(right(100)[:300], right(318)[:300], NormalDist().inv_cdf(1 - 0.025 / 2)), "of two files"
    assert found.changed == (worst,), "other files are other models: dynamic_int8 is not held against another artifact"


def elsewhere(results, *records):
    """The same records, as if another processor had made them."""
    for record in records:
        place = results.records.index(record)
        results.records[place] = replace(record, environment=replace(record.environment, cpu="An older processor"))


def test_what_a_file_answers_may_be_held_against_another_machine():
    results = Results()
    for method in ("baseline_fp32", "static_int8", "dynamic_int8"):
        on(results, TARGET, method, right(320))
    elsewhere(results, on(results, TARGET, "baseline_fp32", right(300)), on(results, TARGET, "static_int8", right(300)))
    elsewhere(results, on(results, TARGET, "dynamic_int8", right(300), artifact="d" * 64))
    elsewhere(results, on(results, SLOW, "baseline_fp32", right(320)[:300]))
    elsewhere(results, on(results, SLOW, "dynamic_int8", right(320)[:300], artifact="d" * 64))
    by_view = {(found.view.board.target, found.view.board.host): found for found in kernels(views(results), CARDS, results.columns)}
    hosts = sorted({board.board.host for board in views(results)}, key=lambda host: "An older" in host)
    assert set(by_view) == {(TARGET, hosts[1]), (SLOW, hosts[1])}
    assert by_view[TARGET, hosts[1]].home.board.host == hosts[0], "the machine where most was measured is what others are held against"
    assert len(by_view[TARGET, hosts[1]].changed) == 2
    assert by_view[SLOW, hosts[1]].home.board.host == hosts[1], "an emulated processor is held against the machine whose files it ran"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a store in which one method ran on another runtime and on an emulated processor."""
    folder = tmp_path_factory.mktemp("runtimes")
    store = build(folder / "results", plans=PLANS[:4])
    for plan in (PLANS[0], Plan("dynamic_int8", "per_channel", 0.998, 0.264, 2.12)):
        record = put(store, "glyph_clip", plan, 400, (3, 4, 12))
        columns = store.columns(record)
        there = replace(cell("glyph_clip", plan.method, plan.variant), target=OTHER)
        columns |= {"reference_ns": columns["baseline_ns"] * 2, "beside_reference_ns": columns["compressed_ns"]}
        store.put(replace(record, key=key(plan.variant, OTHER), cell=there, latency=latency_of(columns, (0.99,) * 3, TARGET)), columns)
        quiet = {name: array[:300] for name, array in columns.items() if not name.endswith("_ns") and not name.startswith("component:")}
        accuracy = replace(record.accuracy, items=300)
        there = replace(there, target=SLOW)
        counts = InstructionCounts({"all": (30_000_000, 34_000_000), "dot": (8_000_000,) * 2}, {"all": (64_000_000,) * 2}, None)
        slow = replace(record, key=key(plan.variant, SLOW), cell=there, latency=None, accuracy=accuracy, instructions=counts)
        store.put(slow, quiet)
    publish(store, folder / "site", targets=dict(CARDS.targets))
    return folder / "site"


def test_the_page_says_what_moving_gains_and_what_changes(page):
    words = Page(page / "runtimes.html").words
    assert "Fastest that loses at most a point" in words
    assert "The other runtime" in words
    assert "Of each target the uncompressed model" in words
    assert "results on 2 targets, the fastest first" in words
    assert "None of 2 is surely more or less accurate here" in words
    record = next((page / "record").glob(f"glyph_clip--dynamic_int8--per_channel--{OTHER}*.html"))
    assert "it was timed beside the uncompressed model on" in Page(record).words
    assert "32.02.00×" in words, "the mean of the requests, and how many times fewer than the baseline's"
    counted = Page(next((page / "record").glob(f"glyph_clip--dynamic_int8--per_channel--{SLOW}*.html"))).words
    assert "SDOT, UDOT, USDOT (int8 dot products)8.00.0–" in counted
    assert "no measure of time" in counted
    assert Page(page / "target" / f"{OTHER}.html").words.count("Timed beside") == 1


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
def test_it_is_whole_on_a_narrow_screen_without_scripts(browser, page):
    with served(page) as address:
        shown = visit(browser, f"{address}/runtimes.html", viewport={"width": 375, "height": 800}, java_script_enabled=False)
        assert shown.evaluate("document.documentElement.scrollWidth") <= 375
        shown.locator("details summary").first.click()
        assert shown.locator("details table").first.is_visible()
        shown.context.close()


def test_without_several_targets_the_page_says_so(leaderboard):
    words = Page(leaderboard / "runtimes.html").words
    assert "No model has been timed on more than one target of a device yet" in words
    assert "Nothing on this page was run on another processor, or under an emulator" in words


def test_counts_that_could_not_be_taken_are_a_dash_with_the_reason(tmp_path):
    store = build(tmp_path / "results", plans=PLANS[:1])
    record = next(iter(store.records()))
    there = replace(record.cell, target=SLOW)
    counts = InstructionCounts(reason="there is no C compiler here")
    store.put(replace(record, key=key(SLOW), cell=there, latency=None, instructions=counts), store.columns(record))
    publish(store, tmp_path / "site", targets=dict(CARDS.targets))
    found = next((tmp_path / "site/record").glob(f"*--{SLOW}*.html"))
    assert "Not counted: there is no C compiler here." in Page(found).words
    assert 'title="there is no C compiler here">–' in (tmp_path / "site/runtimes.html").read_text()


def test_the_download_has_the_counts(page):
    with (page / "data" / "results.csv").open() as file:
        rows = {row["target"]: row for row in csv.DictReader(file)}
    assert (float(rows[SLOW]["instructions"]), float(rows[SLOW]["instruction_ratio"])) == (32e6, 2.0)
    assert rows[OTHER]["instructions"] == rows[OTHER]["instruction_ratio"] == "", "of a target that is timed nothing is counted"


def test_the_download_has_the_reference(page):
    with (page / "data" / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["target"] == OTHER]
    assert {row["reference"] for row in rows} == {TARGET}
    assert all(float(row["reference_speed_up_low"]) <= float(row["reference_speed_up"]) for row in rows)
    assert np.isfinite([float(row["reference_speed_up_high"]) for row in rows]).all()
