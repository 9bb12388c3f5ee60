"""Two methods side by side: the figures against scipy and hand-made tables, the outcome against what they mean, and every refusal."""

import json

import numpy as np
import pytest
from boards import Results, right
from conftest import ROOT
from msgspec.structs import replace
from scipy import stats

from suite.errors import UnknownName, UsageError
from suite.record import Estimate
from suite.statistics import paired_difference, ratio_over_launches, student_quantile
from suite.versus import as_rows, pairs, versus

PUBLISHED = ROOT / "site" / "results"


class Timed(Results):
    """Records with the timings of their launches: `speeds` has the speed-up of each."""

    def __init__(self):
        super().__init__()
        self.speeds = {}

    def timed(self, method, hits, speeds, **changes):
        mean = float(np.exp(np.mean(np.log(speeds))))
        record = self.add(method, hits, speed=(mean, 0.1, 9.0), latency={"noisy": False}, **changes)
        self.speeds[record.key] = np.array(speeds)
        return record

    def columns(self, record):
        speeds = self.speeds[record.key][:, None, None]
        times = {"baseline_ns": np.full((len(speeds), 3, 4), 1e6), "compressed_ns": np.broadcast_to(1e6 / speeds, (len(speeds), 3, 4))}
        return {"recall_at_1": self.answers[record.key], **times}

    def versus(self, one, other, models=(), ranked=True):
        return versus(self.records, one, other, self.columns, lambda target: ranked, models)


@pytest.fixture
def results():
    """`a` is more accurate and faster than `b`, and larger."""
    results = Timed()
    results.timed("a/x", right(340), [2.0, 2.02, 1.98], size=2000)
    results.timed("a/y", right(300), [1.5, 1.51, 1.49], size=1500)
    results.timed("b/x", right(300), [1.6, 1.61, 1.59], size=1000)
    results.timed("b/z", right(300), [1.0, 1.0, 1.0], size=1000)
    return results


def one(found):
    (side,) = found
    return side, {contrast.metric: contrast for contrast in side.contrasts}


def test_the_ratio_of_two_sessions_has_the_interval_of_welch():
    rng = np.random.default_rng(1947)
    for launches in ((3, 3), (3, 7), (7, 5)):
        first, second = (rng.normal(0.5, spread, (count, 9)) for count, spread in zip(launches, (0.01, 0.05), strict=True))
        wanted = stats.ttest_ind(np.median(first, axis=1), np.median(second, axis=1), equal_var=False).confidence_interval(0.95)
        found = ratio_over_launches(first, second)
        assert (found.low, found.high) == pytest.approx((np.exp(wanted.low), np.exp(wanted.high)), rel=1e-6)
        assert found.value == pytest.approx(np.exp(np.median(first, axis=1).mean() - np.median(second, axis=1).mean()))
    assert student_quantile(2.4) == pytest.approx(stats.t.ppf(0.975, 2.4), rel=1e-6)


def test_one_launch_of_either_has_no_interval():
    with pytest.raises(ValueError, match="two of them at least"):
        ratio_over_launches(np.zeros((3, 2)), np.zeros((1, 2)))


def test_launches_that_agree_give_no_width():
    found = ratio_over_launches(np.full((3, 2), np.log(3.0)), np.full((2, 2), np.log(2.0)))
    assert (found.low, found.value, found.high) == pytest.approx((1.5, 1.5, 1.5))


def test_each_metric_is_won_lost_or_tied_by_its_own_figures(results):
    side, found = one(results.versus("a", "b"))
    assert (side.one, side.other) == (("a", "x"), ("b", "x")), "the variant that both have"
    assert side.problem is None
    assert found["recall_at_1"].gap == paired_difference(right(340), right(300))
    assert found["recall_at_1"].gap.value == pytest.approx(0.1)
    assert found["bytes"].gap == Estimate(2.0, 2.0, 2.0)
    welch = stats.ttest_ind(np.log([2.0, 2.02, 1.98]), np.log([1.6, 1.61, 1.59]), equal_var=False).confidence_interval(0.95)
    assert (found["speed_up"].gap.low, found["speed_up"].gap.high) == pytest.approx((np.exp(welch.low), np.exp(welch.high)), rel=1e-6)
    verdicts = {metric: contrast.verdict for metric, contrast in found.items()}
    assert verdicts == {"recall_at_1": "better", "bytes": "worse", "zstd_bytes": "tie", "speed_up": "better"}


def test_the_other_side_sees_the_reverse(results):
    _, found = one(results.versus("b/x", "a/x"))
    verdicts = {metric: contrast.verdict for metric, contrast in found.items()}
    assert verdicts == {"recall_at_1": "worse", "bytes": "better", "zstd_bytes": "tie", "speed_up": "worse"}
    assert found["recall_at_1"].gap.value == pytest.approx(-0.1)
    assert found["bytes"].gap.value == 0.5


def test_what_differs_by_less_than_the_margins_is_a_tie(results):
    results.timed("c/x", right(341), [2.01, 2.02, 2.0], size=2015)
    _, found = one(results.versus("c/x", "a/x"))
    assert {contrast.verdict for contrast in found.values()} == {"tie"}
    results.timed("c/x", right(341), [2.01, 2.02, 2.0], size=2021, created="2026-11-23T10:00:00+00:00")
    assert one(results.versus("c/x", "a/x"))[1]["bytes"].verdict == "worse", "of two records the newer counts"


def test_variants_are_paired_by_name_or_by_being_the_only_one(results):
    results.timed("c/only", right(300), [1.0, 1.0, 1.1])
    names = {(method, variant) for method, variant in (("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "only"))}
    assert pairs(results.records, "a", "b") == ((("a", "x"), ("b", "x")),)
    assert pairs(results.records, "a/y", "b/z") == ((("a", "y"), ("b", "z")),)
    assert pairs(results.records, "a/x", "c") == ((("a", "x"), ("c", "only")),)
    assert {side for pair in pairs(results.records, "a/x", "b") for side in pair} < names
    for first, second, words in (
        ("a", "c", "choose from a/x, a/y and from c/only"),
        ("a/y", "b", "choose from a/y and from b/x, b/z"),
        ("a/x", "a/x", "cannot be compared with itself; the measured variants of a are a/x, a/y"),
        ("a", "a", "cannot be compared with itself"),
    ):
        with pytest.raises(UsageError, match=words):
            pairs(results.records, first, second)
    with pytest.raises(UnknownName, match=r"no measured variant of a 'xx'.* Did you mean 'x'"):
        pairs(results.records, "a/xx", "b")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell": {"tier": "full"}}, r"the tier differs \(quick against full\)"),
        ({"cell": {"target": "elsewhere"}}, "the target differs"),
        ({"cell": {"test_seed": 7}}, r"the test seed differs \(0 against 7\)"),
        ({"cell": {"model": "other"}}, r"a/x has not been measured \(other\); d/x has not been measured \(tiny_matcher\)"),
        ({"environment": {"cpu": "Another CPU"}}, "the host differs"),
        ({"provenance": {"test_sha256": "f" * 64}}, "the test set differs"),
        ({"provenance": {"model_sha256": "e" * 64}}, "the model revision differs"),
        ({"cell": {"tier": "full", "test_seed": 7}}, "the tier differs .* and the test seed differs"),
    ],
)
def test_what_is_not_alike_is_refused_by_the_key_that_differs(results, changes, words):
    assert results.records[0].cell.tier == "quick"
    results.timed("d/x", right(300), [1.0, 1.0, 1.1], **changes)
    with pytest.raises(UsageError, match=words):
        results.versus("a/x", "d/x")


def test_a_model_that_cannot_be_compared_does_not_hide_the_others(results):
    results.timed("a/x", right(300), [1.0, 1.0, 1.1], cell={"model": "other"})
    found = results.versus("a/x", "b/x")
    assert [(side.model, bool(side.contrasts), side.problem) for side in found] == [
        ("other", False, "b/x has not been measured"),
        ("tiny_matcher", True, None),
    ]
    assert len(results.versus("a/x", "b/x", ("tiny_matcher",))) == 1
    with pytest.raises(UnknownName, match="Did you mean 'tiny_matcher'"):
        results.versus("a/x", "b/x", ("tiny_macher",))


def test_what_came_to_nothing_says_why(results):
    results.fail("f", "timeout")
    with pytest.raises(UsageError, match=r"f/only came to nothing \(timeout: why\)"):
        results.versus("f", "a/x")


def test_times_that_mean_nothing_or_were_not_taken_are_left_out_and_a_noisy_one_is_said(results):
    side, found = one(results.versus("a", "b", ranked=False))
    assert "speed_up" not in found
    assert "never ranked" in side.problem
    results.records[0] = replace(results.records[0], latency=replace(results.records[0].latency, noisy=True))
    assert "noisy" in one(results.versus("a", "b"))[0].problem
    results.records[0] = replace(results.records[0], latency=None)
    side, found = one(results.versus("a", "b"))
    assert (side.problem, "speed_up" in found) == ("a/x was not timed", False)


def test_one_component_alone_is_no_rival(results):
    results.records = [replace(r, cell=replace(r.cell, component="text")) if r.cell.method == "b" else r for r in results.records]
    with pytest.raises(UnknownName, match="no measured method 'b'"):
        results.versus("a", "b")


def test_rows_for_scripts_are_the_same_figures(results):
    (row,) = json.loads(json.dumps(as_rows(results.versus("a", "b"))))
    assert (row["one"], row["other"], row["model"], row["tier"], row["items"]) == ("a/x", "b/x", "tiny_matcher", "quick", 400)
    assert row["metrics"]["bytes"] == {
        "one": 2000, "other": 1000, "gap": {"kind": "ratio", "value": 2.0, "low": 2.0, "high": 2.0}, "outcome": "loss",
    }  # fmt: skip


def test_the_command_compares_published_records(squeezemark):
    done = squeezemark("compare", "width_pruning", "svd_low_rank", "--results", PUBLISHED, "--model", "scene_vqa", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["one"] for row in found} == {"width_pruning/keep_50", "width_pruning/keep_75"}
    for variant in ("keep_50", "keep_75"):
        rows = [row for row in found if row["one"] == f"width_pruning/{variant}"]
        assert {row["metrics"]["answer_accuracy"]["outcome"] for row in rows} == {"win"}
        pair = f"width_pruning/{variant}", f"svd_low_rank/{variant}"
        table = squeezemark("compare", *pair, "--results", PUBLISHED, "--model", "scene_vqa").stdout
        for gap in (row["metrics"]["answer_accuracy"]["gap"] for row in rows):
            assert f"{gap['value']:+.3f}" in table
            assert f"{gap['low']:+.3f} to {gap['high']:+.3f}" in table
        assert table.count("win") >= len(rows)
        differs = len({row["target"] for row in rows}) > 1
        assert ("x86_cpu_ort" in table) == differs, "where they were measured is said as far as it differs"
        assert len(table.splitlines()) < 16 * len(rows)
