"""The rules behind the known results: verdicts on boards made by hand, against differences and quantiles that are computed apart."""

import numpy as np
import pytest
from boards import ITEMS, Results, right
from msgspec.structs import replace
from scipy import stats

from suite import judge as judging
from suite.contracts import TargetCard
from suite.judge import HIDDEN, NOTHING, Point, against, every, judge, some
from suite.known import KNOWN, MARGIN, NOTES, Above, Known, OnFrontier, OnlyDownload, Within
from suite.pages import BoardView, Cards
from suite.record import Estimate
from suite.statistics import paired_difference

CARDS = Cards({}, {}, {})


def verdict(results: Results, rule, cards: Cards = CARDS, id: str = "test"):
    """The verdict of one rule on the only board."""
    (judgement,) = judge([BoardView(results.board(), cards)], results.columns, [Known(id, "", "", (), rule)])
    (found,) = judgement.verdicts
    return found


def board(**hits: int) -> Results:
    """Records of `method__variant` with so many right, the baseline among them."""
    results = Results()
    results.add("baseline_fp32/fp32", right(300), size=1000)
    for name, count in hits.items():
        results.add(name.replace("__", "/"), right(count), size=500)
    return results


def test_above_holds_fails_or_cannot_be_told_by_its_interval():
    rule = Above((("a/x", "b/x"),))
    for count, state in ((330, "holds"), (270, "fails"), (301, "open"), (300, "open")):
        found = verdict(board(a__x=count, b__x=300), rule)
        assert found.state == state, count
        (point,) = found.points
        assert point.gap == paired_difference(right(count), right(300)), "a lone comparison has the plain 95 % interval"
        assert (point.label, point.one.record.cell.method, point.other.record.cell.method) == ("a · x", "a", "b")


def test_intervals_are_widened_for_the_number_of_comparisons():
    rule = Above((("a/x", "b/x"), ("a/y", "b/y"), ("a/z", "b/z"), ("c/x", "b/x")))
    results = board(a__x=330, b__x=300, a__y=330, b__y=300, a__z=306, b__z=300)
    found = verdict(results, rule)
    z = stats.norm.ppf(1 - 0.025 / 3)
    wanted = paired_difference(right(306), right(300), z)
    assert found.points[2].gap.low == pytest.approx(wanted.low, rel=1e-9)
    assert found.absent == ("c/x has not been measured",)
    assert [point.state for point in found.points] == ["holds", "holds", "open"]
    assert found.state == "open"
    plain = paired_difference(right(306), right(300))
    assert plain.low > 0 > wanted.low, "alone it would have held"


def test_one_comparison_on_the_wrong_side_is_enough_against():
    found = verdict(board(a__x=350, b__x=300, a__y=250, b__y=300), Above((("a/x", "b/x"), ("a/y", "b/y"))))
    assert found.state == "fails"


def test_what_is_not_measured_or_came_to_nothing_is_said():
    rule = Above((("a/x", "b/x"),))
    assert (verdict(board(), rule).state, verdict(board(), rule).absent) == ("missing", (NOTHING,))
    assert verdict(board(a__x=300), rule).absent == ("b/x has not been measured",)
    results = board(b__x=300)
    record = results.fail("a", "unsupported")
    results.records[-1] = replace(record, cell=replace(record.cell, variant="x"), reason="it has no heads")
    found = verdict(results, rule)
    assert (found.state, found.points, found.absent) == ("missing", (), ("a/x: unsupported, it has no heads",))


def test_records_that_are_not_alike_are_not_compared():
    results = board(a__x=330)
    results.add("b/x", right(300), provenance={"test_sha256": "f" * 64})
    found = verdict(results, Above((("a/x", "b/x"),)))
    assert (found.state, found.absent) == ("missing", ("the test set of a/x and b/x differs",))


def test_within_needs_one_variant_whose_whole_interval_lies_above_the_margin():
    rule = Within(("a", "b"))
    same = right(300)
    noisy = same ^ (np.abs(np.arange(ITEMS) - 299.5) < 10)
    results = board(a__x=150)
    assert verdict(results, rule).state == "fails"
    results.add("b/x", noisy, size=500)
    z = stats.norm.ppf(1 - 0.025 / 2)
    wanted = paired_difference(noisy, same, z)
    assert wanted.low < -MARGIN < wanted.high
    found = verdict(results, rule)
    assert (found.state, [point.state for point in found.points]) == ("open", ["fails", "open"])
    assert found.points[1].gap.low == pytest.approx(wanted.low, rel=1e-9)
    results.add("b/y", np.concatenate([same[:-1], ~same[-1:]]), size=500)
    found = verdict(results, rule)
    assert (found.state, len(found.points)) == ("holds", 3), "one is enough"


def test_within_without_a_baseline_or_without_variants_is_missing():
    assert verdict(board(c__x=300), Within(("a",))).absent == (NOTHING,)
    results = Results()
    results.add("a/x", right(300))
    found = verdict(results, Within(("a",)))
    assert (found.state, found.absent) == ("missing", ("no uncompressed model was measured beside it",))


@pytest.mark.parametrize(
    ("small", "smaller", "state"),
    [(200, 100, "holds"), (298, 100, "open"), (250, 350, "fails"), (350, 100, "fails")],
)
def test_the_frontier_is_held_against_all_that_is_no_larger(small, smaller, state):
    results = board()
    results.add("chain/only", right(300), size=500)
    results.add("a/x", right(small), size=500)
    results.add("b/x", right(smaller), size=100)
    results.add("larger/x", right(400), size=501)
    found = verdict(results, OnFrontier("chain"))
    assert found.state == state
    (point,) = found.points
    rival = 300 - max(small, smaller)
    assert point.gap.value == pytest.approx(rival / ITEMS)
    assert point.gap.low == pytest.approx(paired_difference(right(300), right(300 - rival), stats.norm.ppf(1 - 0.0125)).low, rel=1e-9)


def test_one_variant_on_the_frontier_is_enough_and_the_smallest_of_all_has_no_rival():
    results = board(a__x=300)
    results.add("chain/good", right(350), size=600)
    results.add("chain/bad", right(100), size=700)
    assert verdict(results, OnFrontier("chain")).state == "holds"
    results.add("chain/tiny", right(0), size=10)
    found = verdict(results, OnFrontier("chain"))
    assert found.state == "holds"
    assert "nothing on the board is as small as chain/tiny" in found.absent
    assert verdict(board(), OnFrontier("chain")).absent == (NOTHING,)


def zeros(size: int = 1000, download: int = 400, speed=(1.0, 0.99, 1.02), cards: Cards = CARDS):
    results = Results()
    for method, bytes_, zstd, gain in (("baseline_fp32/fp32", 1000, 900, (1.0, 0.99, 1.01)), ("prune/x", size, download, speed)):
        record = results.add(method, right(300), speed=gain)
        part = replace(record.artifact.parts["text"], bytes=bytes_, zstd_bytes=zstd)
        results.records[-1] = replace(record, artifact=replace(record.artifact, parts={"text": part}))
    return verdict(results, OnlyDownload("prune/x"), cards)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "holds"),
        ({"size": 1009}, "holds"),
        ({"size": 980}, "fails"),
        ({"size": 1020}, "fails"),
        ({"download": 895}, "fails"),
        ({"speed": (1.1, 1.05, 1.2)}, "fails"),
        ({"speed": (0.8, 0.7, 0.9)}, "holds"),
        ({"speed": (1.0, 0.9, 1.0 + HIDDEN + 0.01)}, "open"),
    ],
)
def test_zeros_save_bandwidth_only(changes, state):
    found = zeros(**changes)
    assert found.state == state
    assert [point.label for point in found.points] == ["on disk", "download", "speed"]
    assert found.points[1].gap.value == pytest.approx(changes.get("download", 400) / 900 - 1)


def test_times_that_are_not_ranked_decide_nothing():
    name = Results().add("x", right(1)).cell.target
    card = TargetCard(name=name, title="", summary="", device="", runtime="", formats=(), ranks_latency=False)
    found = zeros(cards=Cards({}, {}, {name: card}))
    assert (found.state, found.absent, len(found.points)) == ("open", ("its speed was not ranked",), 2)


def test_a_note_is_shown_only_where_the_result_does_not_hold(monkeypatch):
    monkeypatch.setattr(judging, "NOTES", {("test", "tiny_matcher"): "because"})
    notes = {count: verdict(board(a__x=count, b__x=300), Above((("a/x", "b/x"),))).note for count in (250, 300, 350)}
    assert notes == {250: "because", 300: None, 350: None}


def test_how_states_combine():
    row = Results().add("x", right(1))

    def points(*states):
        return [Point("", row, row, Estimate(0, 0, 0), False, state) for state in states]  # type: ignore[arg-type]

    for states, all_of_them, one_of_them in (
        ((), "missing", "missing"),
        (("holds",), "holds", "holds"),
        (("fails",), "fails", "fails"),
        (("holds", "open"), "open", "holds"),
        (("open", "fails"), "fails", "open"),
    ):
        assert (every(points(*states)), some(points(*states))) == (all_of_them, one_of_them), states
    assert [against(Estimate(0.0, *ends), -0.01) for ends in ((-0.005, 0.1), (-0.01, 0.1))] == ["holds", "open"]


def test_the_table_is_in_order():
    assert len({known.id for known in KNOWN}) == len(KNOWN)
    assert {id for id, _ in NOTES} <= {known.id for known in KNOWN}
    assert all(known.sources and known.sentence.endswith(".") for known in KNOWN)
    assert not any(character.isdigit() for note in NOTES.values() for character in note), "words, never numbers"
