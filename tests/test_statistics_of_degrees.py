"""Metrics that have degrees, and intervals of another confidence than 95 %."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from suite.statistics import Z, difference, mean, paired_difference, share, wilson, wilson_counts

RNG = np.random.default_rng(3)
DEGREES = RNG.random(400)


def test_a_mean_has_student_s_interval():
    found = mean(DEGREES)
    wanted = stats.t.interval(0.95, DEGREES.size - 1, DEGREES.mean(), stats.sem(DEGREES))
    assert (found.low, found.high) == pytest.approx(wanted, rel=1e-4)
    assert found.value == DEGREES.mean()


def test_a_few_items_get_the_quantile_that_few_need():
    few = DEGREES[:5]
    found, wanted = mean(few), stats.t.interval(0.95, 4, few.mean(), stats.sem(few))
    assert (found.low, found.high) == pytest.approx((max(wanted[0], few.min()), min(wanted[1], few.max())), rel=1e-4)


def test_an_interval_never_leaves_what_was_seen():
    found = mean(np.array([1.0, 1.0, 1.0, 0.0]))
    assert (found.low, found.high) == (0, 1)
    assert mean(np.ones(50)) == mean(np.ones(1)) == share(np.ones(3))


def test_the_interval_of_a_mean_covers_it():
    draws = np.random.default_rng(1).beta(2, 5, (2000, 60))
    inside = [found.low <= 2 / 7 <= found.high for found in map(mean, draws)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_the_kind_of_a_column_decides():
    hits = DEGREES > 0.3
    assert share(hits) == wilson(hits)
    assert share(DEGREES) == mean(DEGREES)
    other = RNG.permutation(hits)
    assert difference(hits, other) == paired_difference(hits, other)
    gap = difference(DEGREES, DEGREES - 0.25)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.25, 0.25, 0.25))


def test_pairing_takes_out_what_items_share():
    baseline, noise = DEGREES, RNG.normal(0, 0.01, 400)
    paired = difference(baseline - 0.02 + noise, baseline)
    assert paired.high < 0
    wanted = stats.ttest_rel(baseline - 0.02 + noise, baseline).confidence_interval()
    assert (paired.low, paired.high) == pytest.approx(tuple(wanted), rel=1e-3)


@pytest.mark.parametrize("confidence", [0.95, 0.99, 0.999])
def test_another_confidence_is_scipy_s(confidence):
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found = wilson_counts(37, 120, z)
    wanted = stats.binomtest(37, 120).proportion_ci(confidence, "wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert NormalDist().inv_cdf(0.975) == pytest.approx(Z)


def test_more_confidence_is_wider():
    hits, other = DEGREES > 0.3, DEGREES > 0.35
    plain, sure = paired_difference(other, hits), paired_difference(other, hits, 3.5)
    assert sure.low < plain.low <= plain.value == sure.value <= plain.high < sure.high
    assert mean(DEGREES, 3.5).low < mean(DEGREES).low
