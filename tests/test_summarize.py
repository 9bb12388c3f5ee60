"""Boards say what the records bear out: ties share ranks, nobody is compared with what is not comparable, nothing is lost."""

import numpy as np
import pytest
from boards import GOLDEN, ITEMS, Results, right
from msgspec.structs import replace

from suite.pages import BoardView, Cards
from suite.statistics import paired_difference
from suite.summarize import Flips, summarize


@pytest.fixture
def results():
    return Results()


def test_nothing_makes_no_board(results):
    assert results.boards() == ()


def test_a_difference_is_that_of_the_raw_answers(results):
    rng = np.random.default_rng(3)
    old = rng.random(ITEMS) < 0.8
    new = np.where(rng.random(ITEMS) < 0.1, ~old, old)
    results.add("baseline_fp32", old, size=4000)
    results.add("int8", new, size=1000)
    row = results.rows()["int8"]
    assert row.difference == paired_difference(new, old)
    assert row.flips == Flips(lost=int(np.sum(old & ~new)), gained=int(np.sum(new & ~old)), agreement=float(np.mean(new == old)))
    assert row.difference.value == pytest.approx((row.flips.gained - row.flips.lost) / ITEMS)
    assert (row.size_ratio, row.bytes, row.incomparable) == (4.0, 1000, None)


def test_the_baseline_is_compared_with_itself(results):
    results.add("baseline_fp32", right(300))
    row = results.rows()["baseline_fp32"]
    assert row.is_baseline
    assert results.board().baseline == row
    assert (row.difference.value, row.flips, row.size_ratio, row.accuracy_verdict) == (0.0, Flips(0, 0, 1.0), 1.0, "tie")


def test_verdicts_follow_the_intervals(results):
    results.add("baseline_fp32", right(300), speed=(1.0, 0.99, 1.01))
    results.add("worse", right(200), speed=(0.9, 0.85, 0.95))
    results.add("same", right(299), speed=(1.02, 0.98, 1.06))
    results.add("better", right(380), speed=(2.1, 2.0, 2.2))
    results.add("edge", right(300), speed=(1.1, 1.0, 1.2))
    results.add("other_edge", right(300), speed=(0.9, 0.8, 1.0))
    rows = results.rows()
    verdicts = {"baseline_fp32": "tie", "worse": "worse", "same": "tie", "better": "better", "edge": "tie", "other_edge": "tie"}
    assert {name: row.accuracy_verdict for name, row in rows.items()} == verdicts
    assert {name: row.speed_verdict for name, row in rows.items()} == verdicts


def test_a_speed_up_of_a_per_cent_is_a_tie(results):
    speeds = {
        "baseline_fp32": (1.0, 0.99, 1.01),
        "hardly": (1.008, 1.006, 1.0099),
        "faster": (1.02, 1.011, 1.03),
        "hardly_less": (0.995, 0.991, 0.998),
        "slower": (0.98, 0.97, 0.989),
    }
    for name, speed in speeds.items():
        results.add(name, right(300), speed=speed)
    verdicts = ("tie", "tie", "better", "tie", "worse")
    assert {name: row.speed_verdict for name, row in results.rows().items()} == dict(zip(speeds, verdicts, strict=True))


def test_rows_that_cannot_be_told_apart_share_a_rank(results):
    for name, count in (("baseline_fp32", 360), ("a", 358), ("b", 362), ("c", 200), ("d", 205), ("e", 20)):
        results.add(name, right(count))
    assert {name: row.rank for name, row in results.rows().items()} == {"baseline_fp32": 1, "a": 1, "b": 1, "c": 4, "d": 4, "e": 6}


def test_a_rank_is_one_more_than_the_rows_that_are_surely_better(results):
    """Of two columns of which one holds the other, d items differ, all in favour of one: surely, if 1 / 2^d is at most 0.05 / 39."""
    rng = np.random.default_rng(5)
    for index in range(40):
        results.add("baseline_fp32" if index == 0 else f"m{index}", right(rng.integers(0, ITEMS + 1)))
    rows = results.board().rows
    hits = [round(row.accuracy.value * ITEMS) for row in rows]
    for row, mine in zip(rows, hits, strict=True):
        assert row.rank == 1 + sum(other - mine >= 10 for other in hits)
    assert len({row.rank for row in rows}) > 5


def test_rows_of_other_items_are_neither_ranked_nor_tied(results):
    results.add("baseline_fp32", right(300))
    results.add("same", right(301))
    results.add("other", right(390), provenance={"test_sha256": "f" * 64})
    rows = results.rows()
    assert {name: row.rank for name, row in rows.items()} == {"baseline_fp32": 1, "same": 1, "other": None}
    assert {name: row.ties for name, row in rows.items()} == {"baseline_fp32": "a", "same": "a", "other": None}


def test_without_a_baseline_the_rows_are_still_ranked(results):
    results.add("a", right(300))
    results.add("b", right(100))
    assert {name: (row.rank, row.ties) for name, row in results.rows().items()} == {"a": (1, "a"), "b": (2, "b")}


def test_letters_are_those_of_pairs_that_cannot_be_told_apart(results):
    for name, count in (("baseline_fp32", 300), ("a", 294), ("b", 288), ("c", 100)):
        results.add(name, right(count))
    assert {name: row.ties for name, row in results.rows().items()} == {"baseline_fp32": "a", "a": "ab", "b": "b", "c": "c"}
    assert results.board().untied is None


def test_the_fastest_are_those_that_are_surely_slower_than_none(results):
    """A timing from a noisy host is only ranked if all are noisy, as those of the golden record are."""
    speeds = {"baseline_fp32": (1.0, 0.999, 1.001), "fast": (2.0, 1.99, 2.01), "as_fast": (1.995, 1.985, 2.005), "noisy": (3.0, 2.9, 3.1)}
    for name, speed in speeds.items():
        results.add(name, right(300), speed=speed)
    assert {name: row.speed_rank for name, row in results.rows().items()} == {"baseline_fp32": 4, "fast": 2, "as_fast": 2, "noisy": 1}
    results.records[:3] = [replace(record, latency=replace(record.latency, noisy=False)) for record in results.records[:3]]
    assert {name: row.speed_rank for name, row in results.rows().items()} == {"baseline_fp32": 3, "fast": 1, "as_fast": 1, "noisy": None}


def test_rows_come_best_first_and_failures_last(results):
    results.fail("a_crash", "crashed")
    results.add("poor", right(10))
    results.fail("unsupported_here", "unsupported")
    results.add("baseline_fp32", right(390))
    results.add("middling", right(200))
    results.add("another", right(200))
    order = ["baseline_fp32", "another", "middling", "poor", "a_crash", "unsupported_here"]
    assert [row.record.cell.method for row in results.board().rows] == order


def test_a_failure_shows_no_figures(results):
    results.add("baseline_fp32", right(390))
    failed = replace(results.add("claims_much", right(395), size=1), status="claim_not_borne_out", reason="no int8 in it")
    results.records[-1] = failed
    row = results.rows()["claims_much"]
    assert (row.accuracy, row.speed_up, row.bytes, row.difference, row.rank, row.size_ratio) == (None,) * 6
    assert (row.accuracy_verdict, row.speed_verdict, row.size_frontier, row.latency_frontier) == (None, None, False, False)
    assert row.record is failed


QEMU = {"libraries": {"arm-emulated qemu": "7.2.22", "numpy": "2.4.6"}}
OLD, NEW = "2026-11-22T10:00:00+00:00", "2026-11-23T10:00:00+00:00"


def test_an_emulated_processor_is_one_host_on_whatever_machine_it_was(results):
    """Its rows stand on one board and are compared, whatever kernels the machine itself has."""
    results.add("baseline_fp32", right(300), environment=QEMU | {"level": "x86-64-v3"}, latency=None)
    results.add(
        "int8", right(290), environment=QEMU | {"cpu": "Another", "cpu_flags": ("avx512_vnni",), "level": "x86-64-v4"}, latency=None
    )
    (board,) = results.boards()
    assert board.host == "QEMU"
    assert results.rows()["int8"].difference.value == pytest.approx(-10 / ITEMS)


def test_the_address_of_an_emulated_processor_s_board_stays_when_another_machine_measures_there(results):
    results.add("baseline_fp32", right(300), environment=QEMU, created=OLD, latency=None)
    first = BoardView(results.board(), Cards({}, {}, {})).anchor
    results.add("int8", right(300), environment=QEMU | {"cpu": "Another"}, created=NEW, latency=None)
    assert BoardView(results.board(), Cards({}, {}, {})).anchor == first
    native = Results()
    native.add("baseline_fp32", right(300), created=OLD)
    assert BoardView(native.board(), Cards({}, {}, {})).anchor == first, "as it was when the machine counted"


def test_a_virtual_machine_that_calls_itself_after_qemu_is_a_machine(results):
    for cpu in ("QEMU", "QEMU Virtual CPU version 2.5+"):
        results.add("baseline_fp32", right(300), environment={"cpu": cpu})
    boards = results.boards()
    assert len({board.host for board in boards}) == len({BoardView(board, Cards({}, {}, {})).anchor for board in boards}) == 2
    assert "QEMU" not in {board.host for board in boards}


def _dominated(point, points):
    gain, accuracy = point
    return any(g >= gain and a >= accuracy and (g, a) != point for g, a in points)


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        (
            {"level": "x86-64-v3"},
            {"level": "x86-64-v4"},
            "microarchitecture level differs from the baseline's (x86-64-v3 against x86-64-v4)",
        ),
        (
            {"cpu_flags": ("avx512_vnni",)},
            {"cpu_flags": ("avx512_vnni", "avx512_bf16")},
            "set avx512_bf16 differs from the baseline's (not there against there)",
        ),
        ({"cpu_flags": ("i8mm", "bf16")}, {"cpu_flags": ("i8mm",)}, "set bf16 differs from the baseline's (there against not there)"),
        ({"level": None}, {"level": "x86-64-v4"}, None),
        ({"cpu_flags": ()}, {"cpu_flags": ("avx512_bf16",)}, None),
        ({"cpu_flags": ("avx2", "sse4_1")}, {"cpu_flags": ("avx2",)}, None),
        ({"caches": {"L2": 1}, "turbo": True}, {"caches": {"L2": 2}, "turbo": False}, None),
    ],
)
def test_machines_of_one_name_that_run_other_kernels_are_not_compared(results, mine, theirs, words):
    results.add("baseline_fp32", right(300), size=4000, environment=theirs)
    results.add("int8", right(300), size=1000, environment=mine)
    row = results.rows()["int8"]
    assert (row.incomparable or "").endswith(words or "")
    assert (row.difference is None) is (words is not None)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(("avx2",), ("avx2", "avx512f", "avx512_vnni")), (("avx512_vnni",), ("avx512_vnni", "amx_int8")), (("asimd",), ("asimd", "i8mm"))],
)
def test_machines_of_one_name_with_other_8_bit_kernels_have_boards_of_their_own(results, mine, theirs):
    """The newer baseline of the one would take the place of the other's, and its rows would have none."""
    for flags, when in ((mine, "2026-11-22T12:00:00+00:00"), (theirs, "2026-11-23T12:00:00+00:00")):
        for method in ("baseline_fp32", "int8"):
            results.add(method, right(300), environment={"cpu_flags": flags}, created=when)
    boards = summarize(results.records, results.columns)
    assert [len(board.rows) for board in boards] == [2, 2]
    assert all(row.difference is not None for board in boards for row in board.rows)
    assert len({board.host for board in boards}) == 2


@pytest.mark.parametrize("seed", range(6))
def test_the_frontiers_are_those_of_brute_force(results, seed):
    """Few different values, so that points often share an axis or are equal."""
    rng = np.random.default_rng(seed)
    for index in range(30):
        speed = float(rng.integers(1, 8)) / 2
        size = int(rng.integers(1, 9)) * 100
        name = "baseline_fp32" if index == 0 else f"m{index}"
        results.add(name, right(rng.integers(1, 9) * 40), size=size, speed=(speed, speed / 2, speed * 2))
    rows = results.board().rows
    small = [(-row.bytes, row.accuracy.value) for row in rows]
    fast = [(row.speed_up.value, row.accuracy.value) for row in rows]
    assert [row.size_frontier for row in rows] == [not _dominated(point, small) for point in small]
    assert [row.latency_frontier for row in rows] == [not _dominated(point, fast) for point in fast]


def test_a_row_without_a_latency_can_be_on_the_frontier_of_size_alone(results):
    results.add("baseline_fp32", right(390), size=4000, speed=(1.0, 0.9, 1.1))
    results.records.append(replace(results.add("untimed", right(380), size=10), latency=None))
    del results.records[-2]
    row = results.rows()["untimed"]
    assert (row.size_frontier, row.latency_frontier, row.speed_up, row.speed_verdict) == (True, False, None, None)


def test_the_newest_record_of_a_variant_wins(results):
    results.add("int8", right(100), created="2026-11-22T12:00:00+00:00")
    results.add("baseline_fp32", right(300), created="2026-11-22T13:00:00+00:00")
    newest = results.add("int8", right(250), created="2026-11-23T09:00:00+00:00")
    results.add("int8", right(200), created="2026-11-22T23:00:00+00:00")
    results.add("int8/other", right(50), created="2026-11-21T00:00:00+00:00")
    results.add("baseline_fp32", right(310), created="2026-11-22T09:00:00+00:00")
    rows = {f"{row.record.cell.method}/{row.record.cell.variant}": row for row in results.board().rows}
    assert list(rows) == ["baseline_fp32/only", "int8/only", "int8/other"]
    assert rows["baseline_fp32/only"].accuracy.value == 300 / ITEMS
    assert rows["int8/only"].record == newest


def test_a_newer_failure_replaces_an_older_success(results):
    results.add("baseline_fp32", right(300))
    results.add("int8", right(290))
    failed = results.fail("int8", created="2026-11-23T10:00:00+00:00")
    assert results.rows()["int8"].record == failed


def test_without_a_baseline_nothing_is_compared(results):
    results.add("int8", right(290))
    results.fail("baseline_fp32")
    board, row = results.board(), results.rows()["int8"]
    assert board.baseline is None
    assert (row.incomparable, row.difference, row.flips, row.size_ratio) == ("no baseline was measured", None, None, None)
    assert (row.rank, row.accuracy.value) == (1, 290 / ITEMS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provenance": {"model_sha256": "f" * 64}}, "model revision differs from the baseline's (ffffffffffff against "),
        ({"provenance": {"test_sha256": "e" * 64}}, "test set differs from the baseline's (eeeeeeeeeeee against "),
        ({"provenance": {"suite_version": "99.0"}}, "suite version differs from the baseline's (99.0 against "),
        ({"cell": {"settings": {"threads": 8}}}, "target settings differs from the baseline's ({'threads': 8} against "),
    ],
)
def test_what_cannot_be_compared_says_which_key_differs(results, changes, words):
    results.add("baseline_fp32", right(300))
    results.add("int8", right(290), **changes)
    row = results.rows()["int8"]
    assert row.incomparable.startswith(words)
    assert (row.difference, row.flips, row.size_ratio) == (None, None, None)


def test_other_numbers_of_items_cannot_be_compared(results):
    results.add("baseline_fp32", right(300))
    results.add("int8", right(290, items=500))
    assert results.rows()["int8"].incomparable == "number of test items differs from the baseline's (500 against 400)"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("cell", {"model": "m"}),
        ("cell", {"target": "t"}),
        ("cell", {"tier": "full"}),
        ("cell", {"test_seed": 7}),
        ("environment", {"cores": 64}),
    ],
)
def test_what_may_not_stand_in_one_table_stands_in_two(results, part, change):
    results.add("baseline_fp32", right(300))
    results.add("int8", right(290), **{part: change})
    boards = results.boards()
    assert [len(board.rows) for board in boards] == [1, 1]
    assert sum(board.baseline is not None for board in boards) == 1
    assert {row.incomparable for board in boards for row in board.rows} == {None, "no baseline was measured"}


def test_boards_come_in_order_and_know_what_they_hold(results):
    for name, where in (("b", "x86"), ("a", "x86"), ("b", "arm"), ("a", "arm")):
        results.add("baseline_fp32", right(300), cell={"model": name, "target": where})
    boards = results.boards()
    assert [(board.model, board.target) for board in boards] == [("a", "arm"), ("a", "x86"), ("b", "arm"), ("b", "x86")]
    assert {(board.tier, board.metric, board.host) for board in boards} == {("quick", "recall_at_1", GOLDEN.environment.host)}


def test_a_board_of_failures_alone_is_shown(results):
    results.fail("baseline_fp32", "crashed")
    results.fail("int8")
    board = results.board()
    assert (board.baseline, board.metric, len(board.rows)) == (None, "", 2)


def test_the_order_of_the_records_does_not_matter(results):
    rng = np.random.default_rng(8)
    for index in range(12):
        results.add("baseline_fp32" if index == 0 else f"m{index}", rng.random(ITEMS) < 0.7, size=1000 + index)
    forwards = results.boards()
    results.records.reverse()
    assert results.boards() == forwards


def test_a_row_is_no_faster_than_its_board_if_the_control_is_as_fast(results):
    """Its own interval lies beyond 1 %, but the uncompressed model is as much faster than itself."""
    results.add("baseline_fp32", right(300), speed=(1.02, 1.015, 1.025))
    results.add("as_fast_as_the_control", right(300), speed=(1.024, 1.015, 1.033))
    results.add("faster", right(300), speed=(1.05, 1.04, 1.06))
    results.add("slower", right(300), speed=(0.95, 0.94, 0.96))
    rows = results.rows()
    verdicts = {"baseline_fp32": "tie", "as_fast_as_the_control": "tie", "faster": "better", "slower": "worse"}
    assert {name: row.speed_verdict for name, row in rows.items()} == verdicts
    assert {name for name, row in rows.items() if row.is_off} == {"baseline_fp32"}


def test_the_uncompressed_model_is_never_faster_or_slower_than_itself(results):
    results.add("baseline_fp32", right(300), speed=(0.97, 0.96, 0.98))
    assert results.rows()["baseline_fp32"].speed_verdict == "tie"


def test_what_cannot_be_compared_takes_no_place_from_others(results):
    """A row of another model revision has no rank of speed, and stands on no frontier."""
    results.add("baseline_fp32", right(300), size=4000, speed=(1.0, 0.99, 1.01))
    results.add("int8", right(301), size=1000, speed=(2.0, 1.99, 2.01))
    results.add("of_another", right(390), size=10, speed=(9.0, 8.99, 9.01), provenance={"model_sha256": "0" * 64})
    rows = results.rows()
    assert (rows["int8"].speed_rank, rows["int8"].size_frontier, rows["int8"].latency_frontier) == (1, True, True)
    other = rows["of_another"]
    assert (other.incomparable is not None, other.rank, other.speed_rank, other.size_frontier) == (True, None, None, False)
